"""Drawing of people, heatmaps, and the keypoint widths that the scale branch predicts."""

from .bottomup_visualizer import BottomupVisualizer
from .keypoint_circles import draw_keypoint_circles

__all__ = ["BottomupVisualizer", "draw_keypoint_circles"]
