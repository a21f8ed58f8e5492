_base_ = ["higherhrnet_w48_coco_512.py"]

val_pipeline = _base_.val_pipeline
val_pipeline[1].update(scales=(1.0, 0.5, 2.0))  # BottomupPyramidResize
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
