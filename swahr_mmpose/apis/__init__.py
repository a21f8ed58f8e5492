"""Inference in applications."""

from ..utils import requires_mmpose  # noqa: F401
from .inferencer import BottomupInferencer
from .prediction import predict_files

__all__ = ["BottomupInferencer", "predict_files"]
