"""Losses of SWAHR and HigherHRNet, each a pure function and a thin registered module."""

from .scale_regularization_loss import ScaleRegularizationLoss
from .tag_grouping_loss import TagGroupingLoss
from .weight_adaptive_loss import WeightAdaptiveLoss

__all__ = ["ScaleRegularizationLoss", "TagGroupingLoss", "WeightAdaptiveLoss"]
