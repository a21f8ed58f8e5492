"""Drawing of the keypoint widths that the scale branch predicts."""

from .keypoint_circles import draw_keypoint_circles

__all__ = ["draw_keypoint_circles"]
