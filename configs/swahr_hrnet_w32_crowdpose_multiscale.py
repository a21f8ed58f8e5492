_base_ = ["swahr_hrnet_w32_crowdpose.py"]

val_dataloader = dict(dataset=dict(pipeline=_base_.multiscale_pipeline))
test_dataloader = val_dataloader
