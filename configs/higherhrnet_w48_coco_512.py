_base_ = [
    "_base_/models/hrnet_w48.py",
    "_base_/pipelines/official_512.py",
    "_base_/data/coco.py",
    "_base_/schedules/official_300e.py",
    "_base_/default_runtime.py",
]

model = dict(head=dict(type="HigherHRNetHead", num_keypoints=17, decoder=_base_.codec))

# total batch 80: 8 GPUs × 10
train_dataloader = dict(batch_size=10, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=9.6e-4))  # 8 × 1.2e-4
auto_scale_lr = dict(base_batch_size=80)
default_hooks = dict(checkpoint=dict(save_best="coco/AP", rule="greater"))
