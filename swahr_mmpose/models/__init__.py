"""Heads, losses, estimator and data preprocessor of SWAHR and HigherHRNet."""

from .data_preprocessor import BottomupPoseDataPreprocessor
from .heads import HigherHRNetHead, SWAHRHead
from .losses import ScaleRegularizationLoss, TagGroupingLoss, WeightAdaptiveLoss
from .pose_estimator import BottomupPyramidEstimator

__all__ = [
    "BottomupPoseDataPreprocessor",
    "BottomupPyramidEstimator",
    "HigherHRNetHead",
    "SWAHRHead",
    "ScaleRegularizationLoss",
    "TagGroupingLoss",
    "WeightAdaptiveLoss",
]
