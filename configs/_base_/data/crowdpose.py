# Not in a folder `datasets`: MMPose would take this for its own file of dataset meta information,
# which it looks for as configs/_base_/datasets/NAME.py in the current folder.
# CrowdPose, trained on trainval, tested on test; the pipelines are for the config to say.
data_root = "data/crowdpose/"

train_dataloader = dict(
    batch_size=10,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="BottomupCrowdPoseDataset",
        data_root=data_root,
        data_mode="bottomup",
        ann_file="annotations/mmpose_crowdpose_trainval.json",
        data_prefix=dict(img="images/"),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="BottomupCrowdPoseDataset",
        data_root=data_root,
        data_mode="bottomup",
        ann_file="annotations/mmpose_crowdpose_test.json",
        data_prefix=dict(img="images/"),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

# CrowdPose has no areas, and reports AP by crowd level.
val_evaluator = dict(
    type="BottomupCocoMetric", use_area=False, iou_type="keypoints_crowd", prefix="crowdpose"
)
test_evaluator = val_evaluator
