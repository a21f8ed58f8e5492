"""COCO metrics with the protocol of bottom-up methods."""

from .bottomup_coco_metric import BottomupCocoMetric, BottomupCocoWholeBodyMetric

__all__ = ["BottomupCocoMetric", "BottomupCocoWholeBodyMetric"]
