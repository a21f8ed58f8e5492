# Starts from COCO instead of ImageNet: 12 of the 14 keypoints are carried over by their names.
_base_ = ["higherhrnet_w48_crowdpose.py"]

model = dict(
    backbone=dict(init_cfg=None),
    start_from=dict(
        checkpoint="https://download.openmmlab.com/mmpose/bottom_up/"
        "higher_hrnet48_coco_512x512-60fedcbc_20200712.pth",
        source="coco",
        target="crowdpose",
    ),
)
