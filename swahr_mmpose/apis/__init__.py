"""Inference in applications."""

from .inferencer import BottomupInferencer
from .prediction import predict_files

__all__ = ["BottomupInferencer", "predict_files"]
