"""Datasets with checked annotations, and the transforms of bottom-up training and test."""

from ..utils import requires_mmpose  # noqa: F401
from . import transforms
from .bottomup_coco_dataset import (
    BottomupAicDataset,
    BottomupCocoDataset,
    BottomupCocoWholeBodyDataset,
    BottomupCrowdPoseDataset,
)

__all__ = [
    "BottomupAicDataset",
    "BottomupCocoDataset",
    "BottomupCocoWholeBodyDataset",
    "BottomupCrowdPoseDataset",
    "transforms",
]
