"""Drawing of people, and of the maps that the network predicts."""

from .bottomup_visualizer import BottomupVisualizer
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
