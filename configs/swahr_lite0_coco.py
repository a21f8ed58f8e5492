# A small network for a CPU: a tenth of HRNet-W32's operations.
_base_ = [
    "_base_/models/lite0.py",
    "_base_/pipelines/official_512.py",
    "_base_/data/coco.py",
    "_base_/schedules/official_300e.py",
    "_base_/default_runtime.py",
]

model = dict(head=dict(decoder=_base_.codec))

train_dataloader = dict(batch_size=20, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=2.0e-3))
auto_scale_lr = dict(base_batch_size=160)
