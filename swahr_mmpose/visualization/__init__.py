"""Drawing of people and maps, without MMPose; ``BottomupVisualizer`` needs it."""

import contextlib

from .overlays import draw_heatmap, draw_map, draw_scale_map, draw_tag_map, image_to_map
from .people_drawing import draw_people

__all__ = [
    "BottomupVisualizer",
    "draw_heatmap",
    "draw_map",
    "draw_people",
    "draw_scale_map",
    "draw_tag_map",
    "image_to_map",
]

with contextlib.suppress(ImportError):  # without MMPose
    from .bottomup_visualizer import BottomupVisualizer
