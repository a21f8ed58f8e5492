"""Bottom-up estimators."""

from .bottomup_pyramid_estimator import BottomupPyramidEstimator

__all__ = ["BottomupPyramidEstimator"]
