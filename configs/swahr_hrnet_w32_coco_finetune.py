# SWAHR from the weights of HigherHRNet that MMPose 0.x published: the branches start at zero.
_base_ = ["swahr_hrnet_w32_coco.py"]

load_from = (
    "https://download.openmmlab.com/mmpose/bottom_up/"
    "higher_hrnet32_coco_512x512-8ae85183_20200713.pth"
)
model = dict(backbone=dict(init_cfg=None))

train_cfg = dict(max_epochs=20, val_interval=2)
# The branches are new and learn at the full rate; what is trained already, at a tenth of it.
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            "backbone": dict(lr_mult=0.1),
            "head.final_layers": dict(lr_mult=0.1),
            "head.deconv_layers": dict(lr_mult=0.1),
        }
    )
)
param_scheduler = [
    dict(
        type="LinearLR", begin=0, end=1, start_factor=0.1, by_epoch=True, convert_to_iter_based=True
    ),
    dict(
        type="LinearLR",
        begin=1,
        end=20,
        start_factor=1.0,
        end_factor=0.0,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
