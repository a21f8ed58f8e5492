# The training of the weights that come with the package: more images, zoomed further in and out,
# and a longer schedule. docs/tiny_network.md has the commands and what came out.
_base_ = ["swahr_tiny_synthetic.py"]

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=(0.6, 1.25), translation=0.15)  # BottomupUniformAffine
train_dataloader = dict(
    dataset=dict(
        ann_file="annotations/train_long.json",
        data_prefix=dict(img="images/train_long/"),
        pipeline=train_pipeline,
    )
)
train_cfg = dict(max_iters=3400, val_interval=3400)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=100, by_epoch=False),
    dict(type="LinearLR", start_factor=1.0, end_factor=0.0, begin=100, end=3400, by_epoch=False),
]
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=2))
