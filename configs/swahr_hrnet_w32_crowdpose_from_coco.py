# Starts from COCO instead of ImageNet: 12 of the 14 keypoints are carried over by their names.
_base_ = ["swahr_hrnet_w32_crowdpose.py"]

model = dict(
    backbone=dict(init_cfg=None),
    start_from=dict(
        checkpoint="https://download.openmmlab.com/mmpose/bottom_up/"
        "higher_hrnet32_coco_512x512-8ae85183_20200713.pth",
        source="coco",
        target="crowdpose",
    ),
)
