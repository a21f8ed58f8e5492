"""MMPose's visualizer, with heatmaps where they belong in the picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmengine.structures import PixelData
from mmpose.registry import VISUALIZERS
from mmpose.visualization import PoseLocalVisualizer


def warp_to_picture(heatmap: np.ndarray, sample: Any) -> np.ndarray:
    """A map at the size of the network input, brought to the pixels of the picture.

    The network's input shows the picture and a border beyond it, which has no place in the result.

    Args:
        heatmap: (H, W).
        sample: A data sample with ``ori_shape``, ``input_center`` and ``input_scale``.

    Returns:
        (h, w) of ``ori_shape``, 0 where the input did not show the picture.
    """
    height, width = sample.ori_shape[:2]
    zoom = np.array(heatmap.shape[::-1]) / sample.input_scale
    corner = np.asarray(sample.input_center) - np.asarray(sample.input_scale) / 2
    # a map's value is that of its pixel's centre, half a pixel from the corner
    to_input = np.column_stack([np.diag(zoom), -corner * zoom - 0.5])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(heatmap, to_input, (width, height), flags=flags)


@VISUALIZERS.register_module()
class BottomupVisualizer(PoseLocalVisualizer):
    """``PoseLocalVisualizer`` for predictions of :class:`BottomupPyramidEstimator`.

    MMPose's own stretches predicted heatmaps over the picture; here they are laid where the network
    saw it, so that keypoints lie on their peaks. Arguments are those of ``PoseLocalVisualizer``.
    """

    def add_datasample(
        self, name: str, image: np.ndarray, data_sample: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Draw people, and heatmaps where they are asked for; see ``PoseLocalVisualizer``."""
        if "pred_fields" in data_sample and "input_center" in data_sample:
            heatmap = data_sample.pred_fields.heatmaps.max(dim=0).values
            in_picture = warp_to_picture(heatmap.float().cpu().numpy(), data_sample)
            data_sample = data_sample.new()
            data_sample.pred_fields = PixelData(heatmaps=torch.from_numpy(in_picture)[None])
        return super().add_datasample(name, image, data_sample, *args, **kwargs)
