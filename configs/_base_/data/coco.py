# Not in a folder `datasets`: MMPose would take this for its own file of dataset meta information,
# which it looks for as configs/_base_/datasets/NAME.py in the current folder.
# COCO 2017 keypoints; the pipelines are for the config to say.
data_root = "data/coco/"

train_dataloader = dict(
    batch_size=10,
    num_workers=4,
    persistent_workers=False,  # they are seeded anew at each epoch, see EpochSeedHook
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="BottomupCocoDataset",
        data_root=data_root,
        data_mode="bottomup",
        ann_file="annotations/person_keypoints_train2017.json",
        data_prefix=dict(img="train2017/"),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="BottomupCocoDataset",
        data_root=data_root,
        data_mode="bottomup",
        ann_file="annotations/person_keypoints_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="BottomupCocoMetric")
test_evaluator = val_evaluator
