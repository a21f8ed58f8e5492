"""Pipeline transforms for bottom-up pose estimation."""

from .heatmap_mask import BottomupHeatmapMask
from .horizontal_flip import BottomupHorizontalFlip
from .load_image import BottomupLoadImage
from .pack_inputs import BottomupPackInputs
from .pyramid_resize import BottomupPyramidResize
from .uniform_affine import BottomupUniformAffine

__all__ = [
    "BottomupHeatmapMask",
    "BottomupHorizontalFlip",
    "BottomupLoadImage",
    "BottomupPackInputs",
    "BottomupPyramidResize",
    "BottomupUniformAffine",
]
