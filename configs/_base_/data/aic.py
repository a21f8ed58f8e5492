# AI Challenger; the rest is as for COCO.
_base_ = ["coco.py"]

data_root = "data/aic/"

train_dataloader = dict(
    dataset=dict(
        type="BottomupAicDataset",
        data_root=data_root,
        ann_file="annotations/aic_train.json",
        data_prefix=dict(
            img="ai_challenger_keypoint_train_20170902/keypoint_train_images_20170902/"
        ),
    ),
)
val_dataloader = dict(
    dataset=dict(
        type="BottomupAicDataset",
        data_root=data_root,
        ann_file="annotations/aic_val.json",
        data_prefix=dict(
            img="ai_challenger_keypoint_validation_20170911/keypoint_validation_images_20170911/"
        ),
    ),
)
test_dataloader = val_dataloader

# AI Challenger has no areas.
val_evaluator = dict(use_area=False)
test_evaluator = val_evaluator
