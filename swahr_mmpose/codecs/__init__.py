"""Keypoints to training targets, and network outputs back to keypoints."""

from .scale_adaptive_heatmap import ScaleAdaptiveHeatmap

__all__ = ["ScaleAdaptiveHeatmap"]
