# Some two thousand photographs of people, on a CPU: trains on all but the last 150 images of the
# training file and validates on these. SWAHR_REAL_DATA is the folder that has coco/.
_base_ = ["swahr_lite0_coco.py"]

codec = _base_.codec
codec.update(input_size=(192, 192), heatmap_sizes=[(48, 48), (96, 96)])
model = dict(
    backbone=dict(frozen_stages=2, norm_eval=True),
    head=dict(
        # Few iterations: with equal weights, tags that start alike stay alike. Both larger would
        # outweigh the heatmaps in the gradient of the backbone's feature.
        init_cfg=dict(type="Normal", layer=["Conv2d", "ConvTranspose2d"], std=0.02),
        tag_loss=dict(type="TagGroupingLoss", pull_weight=4e-4, push_weight=3e-3),
        decoder=codec,
    ),
)

train_pipeline = _base_.train_pipeline
# Cut-outs of 192 pixels train almost twice as fast as of 256, with people as large as in the test.
train_pipeline[1].update(input_size=codec["input_size"], scale=(0.6, 1.3))  # BottomupUniformAffine
train_pipeline[3].update(encoder=codec)  # GenerateTarget
val_pipeline = _base_.val_pipeline
val_pipeline[1].update(input_size=256)  # BottomupPyramidResize

data_root = "{{$SWAHR_REAL_DATA:data}}/coco/"
photos = dict(data_root=data_root, data_prefix=dict(img="images/"))
train_photos = dict(photos, ann_file="person_keypoints_train.json")
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(train_photos, indices=1950, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=1, dataset=dict(train_photos, indices=-150, pipeline=val_pipeline)
)
test_dataloader = dict(
    num_workers=1,
    dataset=dict(photos, ann_file="person_keypoints_val.json", pipeline=val_pipeline),
)

epochs = 120
train_cfg = dict(max_epochs=epochs, val_interval=10)
optim_wrapper = dict(
    optimizer=dict(lr=1.5e-3),
    paramwise_cfg=dict(custom_keys={"backbone.extractor": dict(lr_mult=0.3)}),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, end=100, by_epoch=False),
    dict(
        type="LinearLR",
        start_factor=1.0,
        end_factor=0.0,
        end=epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1, max_keep_ckpts=2))
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.001),
]
