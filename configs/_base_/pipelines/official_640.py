# The official pipelines at 640 pixels: what differs from 512.
_base_ = ["official_512.py"]

codec = _base_.codec
codec.update(input_size=(640, 640), heatmap_sizes=[(160, 160), (320, 320)])

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(input_size=codec["input_size"])  # BottomupUniformAffine
train_pipeline[3].update(encoder=codec)  # GenerateTarget
val_pipeline = _base_.val_pipeline
val_pipeline[1].update(input_size=640)  # BottomupPyramidResize
