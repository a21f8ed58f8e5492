# COCO-WholeBody: COCO's images with keypoints of body, feet, face and hands.
_base_ = ["coco.py"]

train_dataloader = dict(
    dataset=dict(
        type="BottomupCocoWholeBodyDataset",
        ann_file="annotations/coco_wholebody_train_v1.0.json",
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="BottomupCocoWholeBodyDataset",
        ann_file="annotations/coco_wholebody_val_v1.0.json",
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="BottomupCocoWholeBodyMetric")
test_evaluator = val_evaluator
