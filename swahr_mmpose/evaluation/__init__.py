"""COCO metrics with the protocol of bottom-up methods."""

from ..utils import requires_mmpose  # noqa: F401
from .bottomup_coco_metric import BottomupCocoMetric, BottomupCocoWholeBodyMetric

__all__ = ["BottomupCocoMetric", "BottomupCocoWholeBodyMetric"]
