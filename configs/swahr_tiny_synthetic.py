# A narrow network on drawn people (tools/make_synthetic_data.py): trains on a CPU in minutes.
_base_ = [
    "_base_/models/hrnet_w32.py",
    "_base_/pipelines/official_512.py",
    "_base_/data/coco.py",
    "_base_/default_runtime.py",
]

codec = _base_.codec
codec.update(input_size=(192, 192), heatmap_sizes=[(48, 48), (96, 96)])
model = dict(
    backbone=dict(
        init_cfg=None,
        extra=dict(
            stage1=dict(num_blocks=(1,), num_channels=(16,)),
            stage2=dict(num_blocks=(2, 2), num_channels=(24, 48)),
            stage3=dict(num_modules=1, num_blocks=(2, 2, 2), num_channels=(24, 48, 96)),
            stage4=dict(num_modules=1, num_blocks=(2, 2, 2, 2), num_channels=(24, 48, 96, 192)),
        ),
    ),
    head=dict(
        type="SWAHRHead",
        in_channels=24,
        num_keypoints=17,
        num_basic_blocks=1,
        # a short training: the official 1e-3 lets tags part slowly
        tag_loss=dict(type="TagGroupingLoss", pull_weight=5e-3, push_weight=5e-3),
        decoder=codec,
    ),
)

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(  # BottomupUniformAffine
    input_size=codec["input_size"], rotation=15, scale=(0.75, 1.25), translation=0.1
)
train_pipeline[3].update(encoder=codec)  # GenerateTarget
val_pipeline = _base_.val_pipeline
val_pipeline[1].update(input_size=192)  # BottomupPyramidResize

data_root = "data/synthetic/"
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type="InfiniteSampler"),
    dataset=dict(
        data_root=data_root,
        ann_file="annotations/train.json",
        data_prefix=dict(img="images/train/"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        ann_file="annotations/val.json",
        data_prefix=dict(img="images/val/"),
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

train_cfg = dict(type="IterBasedTrainLoop", max_iters=720, val_interval=720)
val_cfg = dict()
test_cfg = dict(type="BottomupTestLoop")
optim_wrapper = dict(optimizer=dict(type="Adam", lr=3.0e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(type="LinearLR", start_factor=1.0, end_factor=0.0, begin=50, end=720, by_epoch=False),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=720))
log_processor = dict(by_epoch=False)
custom_hooks = [dict(type="ChannelsLastHook")]
