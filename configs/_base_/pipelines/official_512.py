# The official augmentation and test-time resizing at 512 pixels, and the codec for it.
codec = dict(
    type="ScaleAdaptiveHeatmap",
    input_size=(512, 512),
    heatmap_sizes=[(128, 128), (256, 256)],
    sigma=2.0,
    encode_heatmaps=False,
)

train_pipeline = [
    dict(type="BottomupLoadImage"),
    dict(
        type="BottomupUniformAffine",
        input_size=codec["input_size"],
        rotation=30,
        scale=(0.75, 1.5),
        translation=0.2,
    ),
    dict(type="BottomupHorizontalFlip", prob=0.5),
    dict(type="GenerateTarget", encoder=codec),
    dict(type="BottomupHeatmapMask"),
    dict(type="BottomupPackInputs"),
]
val_pipeline = [
    dict(type="BottomupLoadImage"),
    dict(type="BottomupPyramidResize", input_size=512),
    dict(type="BottomupPackInputs"),
]
