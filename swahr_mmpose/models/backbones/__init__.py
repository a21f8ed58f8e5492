"""Backbones besides MMPose's own."""

from .timm_pyramid import TimmPyramid

__all__ = ["TimmPyramid"]
