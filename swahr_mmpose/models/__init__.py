"""Backbones, heads, losses, estimator and data preprocessor of SWAHR and HigherHRNet."""

from ..utils import requires_mmpose  # noqa: F401
from . import losses
from .backbones import TimmPyramid
from .data_preprocessor import BottomupPoseDataPreprocessor
from .heads import HigherHRNetHead, SWAHRHead
from .pose_estimator import BottomupPyramidEstimator

__all__ = [
    "BottomupPoseDataPreprocessor",
    "BottomupPyramidEstimator",
    "HigherHRNetHead",
    "SWAHRHead",
    "TimmPyramid",
    "losses",
]
