"""Datasets with checked annotations, and the transforms of bottom-up training and test."""

from .bottomup_coco_dataset import BottomupCocoDataset, BottomupCrowdPoseDataset
from .transforms import (
    BottomupHeatmapMask,
    BottomupHorizontalFlip,
    BottomupLoadImage,
    BottomupPackInputs,
    BottomupPyramidResize,
    BottomupUniformAffine,
)

__all__ = [
    "BottomupCocoDataset",
    "BottomupCrowdPoseDataset",
    "BottomupHeatmapMask",
    "BottomupHorizontalFlip",
    "BottomupLoadImage",
    "BottomupPackInputs",
    "BottomupPyramidResize",
    "BottomupUniformAffine",
]
