_base_ = ["higherhrnet_w48_coco.py"]

val_dataloader = dict(dataset=dict(pipeline=_base_.multiscale_pipeline))
test_dataloader = val_dataloader
