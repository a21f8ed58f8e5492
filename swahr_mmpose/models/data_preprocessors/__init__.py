"""Normalisation of single images and pyramids."""

from .bottomup_pose_data_preprocessor import BottomupPoseDataPreprocessor

__all__ = ["BottomupPoseDataPreprocessor"]
