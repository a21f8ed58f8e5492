"""Inference in applications."""

from .bottomup_inferencer import BottomupInferencer

__all__ = ["BottomupInferencer"]
