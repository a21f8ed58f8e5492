"""Drawing of people, heatmaps, and the keypoint widths that the scale branch predicts."""

from .bottomup_visualizer import BottomupVisualizer
from .people_drawing import draw_people

__all__ = ["BottomupVisualizer", "draw_people"]
