"""Keypoints to training targets, and network outputs back to keypoints."""

from ..utils import requires_mmpose  # noqa: F401
from .scale_adaptive_heatmap import ScaleAdaptiveHeatmap

__all__ = ["ScaleAdaptiveHeatmap"]
