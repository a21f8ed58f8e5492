"""Drawing of people and maps: without MMPose, except for :mod:`.bottomup_visualizer`."""

from .overlays import draw_heatmap, draw_map, draw_scale_map, draw_tag_map, image_to_map
from .people_drawing import draw_people

__all__ = [
    "draw_heatmap",
    "draw_map",
    "draw_people",
    "draw_scale_map",
    "draw_tag_map",
    "image_to_map",
]
