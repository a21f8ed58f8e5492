# HRNet-W48, with batch normalisation synchronised over GPUs.
_base_ = ["hrnet_w32.py"]

norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    backbone=dict(
        norm_cfg=norm_cfg,
        extra=dict(
            stage2=dict(num_channels=(48, 96)),
            stage3=dict(num_channels=(48, 96, 192)),
            stage4=dict(num_channels=(48, 96, 192, 384)),
        ),
        init_cfg=dict(
            checkpoint="https://download.openmmlab.com/mmpose/"
            "pretrain_models/hrnet_w48-8ef0771d.pth"
        ),
    ),
    head=dict(in_channels=48, norm_cfg=norm_cfg),
)
