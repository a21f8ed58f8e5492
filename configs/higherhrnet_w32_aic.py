_base_ = [
    "_base_/models/hrnet_w32.py",
    "_base_/pipelines/official_512.py",
    "_base_/data/aic.py",
    "_base_/schedules/official_300e.py",
    "_base_/default_runtime.py",
]

# MMPose 0.x, whose weights these are, groups keypoints in the order of the dataset.
codec = _base_.codec
codec.update(decode_keypoint_order=list(range(14)))

model = dict(head=dict(type="HigherHRNetHead", num_keypoints=14, decoder=codec))

# total batch 160: 8 GPUs × 20
train_dataloader = dict(batch_size=20, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=2.0e-3))  # 8 × 2.5e-4
auto_scale_lr = dict(base_batch_size=160)
default_hooks = dict(checkpoint=dict(save_best="coco/AP", rule="greater"))
