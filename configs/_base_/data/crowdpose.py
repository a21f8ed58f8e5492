# CrowdPose, trained on trainval, tested on test; the rest is as for COCO.
_base_ = ["coco.py"]

data_root = "data/crowdpose/"

train_dataloader = dict(
    dataset=dict(
        type="BottomupCrowdPoseDataset",
        data_root=data_root,
        ann_file="annotations/mmpose_crowdpose_trainval.json",
        data_prefix=dict(img="images/"),
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="BottomupCrowdPoseDataset",
        data_root=data_root,
        ann_file="annotations/mmpose_crowdpose_test.json",
        data_prefix=dict(img="images/"),
    ),
)
test_dataloader = val_dataloader

# CrowdPose has no areas, and reports AP by crowd level.
val_evaluator = dict(use_area=False, iou_type="keypoints_crowd", prefix="crowdpose")
test_evaluator = val_evaluator
