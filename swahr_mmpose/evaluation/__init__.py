"""Metrics."""

from .bottomup_coco_metric import BottomupCocoMetric

__all__ = ["BottomupCocoMetric"]
