"""MMPose's visualizer, with people by confidence, and heatmaps where they belong in the picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmengine.structures import PixelData
from mmpose.registry import VISUALIZERS
from mmpose.visualization import PoseLocalVisualizer

from .people_drawing import draw_people


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

    Skeletons have one colour for each person. The surer a keypoint, the wider and the more opaque
    its limbs; large people have wider lines. ``radius`` and ``line_width`` are multiples of that,
    3 and 1 for what fits. People of low score are not drawn.

    MMPose's own stretches predicted heatmaps over the picture; here they are laid where the network
    saw it, so that keypoints lie on their peaks.

    Args:
        name: As for ``PoseLocalVisualizer``.
        *args: Likewise.
        person_thr: People of a lower score are not drawn.
        draw_widths: Whether keypoints are drawn as circles of their predicted widths, where there
            are any (``test_cfg.output_scales``).
        **kwargs: Likewise.
    """

    def __init__(
        self,
        name: str = "visualizer",
        *args: Any,
        person_thr: float = 0.2,
        draw_widths: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, *args, **kwargs)
        self.person_thr = person_thr
        self.draw_widths = draw_widths

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

    def _draw_instances_kpts(
        self,
        image: np.ndarray,
        instances: Any,
        kpt_thr: float = 0.3,
        show_kpt_idx: bool = False,
        skeleton_style: str = "mmpose",
    ) -> np.ndarray:
        """Draw people into a picture (H, W, 3), red, green, blue; called by MMPose."""
        if "keypoints" not in instances or show_kpt_idx or skeleton_style != "mmpose":
            drawn: np.ndarray = super()._draw_instances_kpts(
                image, instances, kpt_thr, show_kpt_idx, skeleton_style
            )
            return drawn
        keypoints = np.asarray(instances.get("transformed_keypoints", instances.keypoints))
        seen = np.ones(keypoints.shape[:2])
        scores = instances.get("keypoint_scores", instances.get("keypoints_visible", seen))
        widths = instances.get("keypoint_widths") if self.draw_widths else None
        drawn = draw_people(
            image[..., ::-1],
            keypoints[..., :2],
            np.asarray(scores).reshape(seen.shape),
            np.asarray(instances.get("bbox_scores", np.ones(len(keypoints)))),
            self.skeleton or (),
            widths,
            person_thr=self.person_thr,
            keypoint_thr=kpt_thr,
            line_scale=self.line_width,
            point_scale=self.radius / 3,
        )
        return drawn[..., ::-1]
