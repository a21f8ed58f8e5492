"""People in images from an exported network: ONNX Runtime, NumPy, SciPy and OpenCV only."""

from .onnx_pose_estimator import OnnxPoseEstimator
from .onnx_settings import OnnxSettings

__all__ = ["OnnxPoseEstimator", "OnnxSettings"]
