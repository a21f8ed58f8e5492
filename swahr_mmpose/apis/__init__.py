"""Inference in applications."""

from .inferencer import BottomupInferencer

__all__ = ["BottomupInferencer"]
