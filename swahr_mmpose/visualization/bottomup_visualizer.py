"""MMPose's visualizer, with people drawn by confidence and maps laid over the image."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
from mmengine.dist import master_only
from mmpose.registry import VISUALIZERS
from mmpose.visualization import PoseLocalVisualizer

from .overlays import draw_map, image_to_map
from .people_drawing import draw_boxes, draw_people

#: What of ``pred_fields`` can be drawn, and which test options of the model yield it.
MAPS = {
    "heatmaps": "output_heatmaps=True",
    "tags": "output_heatmaps=True",
    "scales": "output_heatmaps=True, output_scales=True",
}


@VISUALIZERS.register_module()
class BottomupVisualizer(PoseLocalVisualizer):
    """``PoseLocalVisualizer`` for predictions of :class:`BottomupPyramidEstimator`.

    Skeletons have one colour for each person. The surer a keypoint, the wider and the more opaque
    its limbs; large people have wider lines. ``radius`` and ``line_width`` are multiples of that,
    3 and 1 for what fits. People of low score are not drawn.

    With ``draw_heatmap=True`` maps follow below the people, each in a row of its own. MMPose's own
    visualizer stretches them over the image; here they are laid where the network saw it, so
    that keypoints lie on their peaks.

    Args:
        name: As for ``PoseLocalVisualizer``.
        *args: Likewise.
        person_thr: People of a lower score are not drawn.
        draw_widths: Whether keypoints are drawn as circles of their predicted widths, where there
            are any (``test_cfg.output_scales``).
        maps: Which maps ``draw_heatmap=True`` draws, from top to bottom: ``'heatmaps'``, the
            highest of all keypoints; ``'tags'``, pixels in the colour of the person whose tag is
            nearest; ``'scales'``, keypoint widths, which need ``test_cfg.output_scales``.
        **kwargs: Likewise.

    Raises:
        ValueError: If there is no such map.
    """

    def __init__(
        self,
        name: str = "visualizer",
        *args: Any,
        person_thr: float = 0.2,
        draw_widths: bool = False,
        maps: Sequence[str] = ("heatmaps",),
        **kwargs: Any,
    ) -> None:
        unknown = [kind for kind in maps if kind not in MAPS]
        if isinstance(maps, str) or unknown:
            raise ValueError(f"`maps` must be a list of {', '.join(MAPS)}, but is {maps!r}.")
        super().__init__(name, *args, **kwargs)
        self.person_thr = person_thr
        self.draw_widths = draw_widths
        self.maps = tuple(maps)

    @master_only
    def show(self, *args: Any, **kwargs: Any) -> None:
        """As in MMPose; a RuntimeError where there are no windows."""
        has_display = sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
        try:
            if self.backend == "opencv" and not has_display:
                raise cv2.error("there is no display")  # OpenCV with Qt would end the process
            super().show(*args, **kwargs)
        except cv2.error as error:
            raise RuntimeError(
                "`show=True` asks for a window, and there is no display, or OpenCV has no windows "
                "(`opencv-python-headless`). Have images written: `--show-dir`, `vis_out_dir`."
            ) from error

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: Any,
        *args: Any,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
        **kwargs: Any,
    ) -> np.ndarray:
        """Draw, and show it in a window, or write it to a file, or else to all backends.

        Args:
            name: What it is called in the window and the backends.
            image: As for :meth:`draw_datasample`.
            data_sample: Likewise.
            *args: Likewise.
            show: Whether to show it in a window.
            wait_time: How long, in seconds; 0 until a key is pressed.
            out_file: Where to write it.
            step: Of the training, for the backends.
            **kwargs: As for :meth:`draw_datasample`.

        Returns:
            As :meth:`draw_datasample`.
        """
        drawn = self.draw_datasample(image, data_sample, *args, **kwargs)
        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(drawn[..., ::-1], out_file)
        else:
            self.add_image(name, drawn, step)
        return drawn

    def draw_datasample(
        self,
        image: np.ndarray,
        data_sample: Any,
        draw_gt: bool = True,
        draw_pred: bool = True,
        draw_heatmap: bool = False,
        draw_bbox: bool = False,
        show_kpt_idx: bool = False,
        skeleton_style: str = "mmpose",
        kpt_thr: float = 0.3,
    ) -> np.ndarray:
        """Labels on the left, predictions on the right, with their maps below.

        Args:
            image: (H, W, 3) uint8, RGB.
            data_sample: ``PoseDataSample`` of the estimator.
            draw_gt: Whether to draw labelled people.
            draw_pred: Whether to draw predicted people.
            draw_heatmap: Whether to draw ``maps``, where the sample has ``pred_fields``.
            draw_bbox: Whether to draw boxes around people.
            show_kpt_idx: Whether to write numbers at keypoints; people are then drawn as MMPose
                does.
            skeleton_style: ``'mmpose'``, or as MMPose draws ``'openpose'``.
            kpt_thr: Keypoints of a lower score are not drawn.

        Returns:
            (rows·H, columns·W, 3) uint8, RGB.

        Raises:
            ValueError: If the sample's ``pred_fields`` lack one of ``maps``.
        """
        rows = self._draw_maps(image, data_sample, kpt_thr) if draw_heatmap and draw_pred else []
        columns = []
        for wanted, name, below in (
            (draw_gt, "gt_instances", [image] * len(rows)),
            (draw_pred, "pred_instances", rows),
        ):
            if not wanted:
                continue
            drawn = image.copy()
            if name in data_sample:
                people = data_sample.get(name)
                drawn = self._draw_instances_kpts(
                    drawn, people, kpt_thr, show_kpt_idx, skeleton_style
                )
                drawn = self._draw_instances_bbox(drawn, people) if draw_bbox else drawn
            columns.append(np.concatenate([drawn, *below]))
        return np.concatenate(columns, axis=1) if columns else image.copy()

    def _draw_maps(
        self, image: np.ndarray, data_sample: Any, keypoint_thr: float
    ) -> list[np.ndarray]:
        """Each of ``maps`` over the image."""
        if "pred_fields" not in data_sample:
            return []
        arrays = {name: self._array_of(data_sample, name) for name in ("heatmaps", *self.maps)}
        heatmaps = arrays["heatmaps"]
        to_map = None
        # MMPose's own hook brings heatmaps to the image's pixels before
        if heatmaps.shape[1:] != image.shape[:2]:
            center, scale = data_sample.input_center, data_sample.input_scale
            height, width = heatmaps.shape[1:]
            to_map = image_to_map((height, width), center, scale)
        people = _people(data_sample.pred_instances) if "tags" in self.maps else ()
        return [
            draw_map(name, image, arrays, people, to_map, self.person_thr, keypoint_thr)
            for name in self.maps
        ]

    def _array_of(self, data_sample: Any, name: str) -> np.ndarray:
        """One of the predicted fields, (channels, h, w) float32."""
        if name not in data_sample.pred_fields:
            raise ValueError(
                f"`maps` of the visualizer has '{name}', but the prediction has none. Set "
                f"`model.test_cfg` to have {MAPS[name]}, or leave '{name}' out."
            )
        field = data_sample.pred_fields.get(name)
        values = field if isinstance(field, np.ndarray) else field.float().cpu().numpy()
        return np.asarray(values, np.float32).reshape(-1, *values.shape[-2:])

    def _draw_instances_kpts(
        self,
        image: np.ndarray,
        instances: Any,
        kpt_thr: float = 0.3,
        show_kpt_idx: bool = False,
        skeleton_style: str = "mmpose",
    ) -> np.ndarray:
        """Draw people into an image (H, W, 3), red, green, blue; called by MMPose too."""
        if "keypoints" not in instances or show_kpt_idx or skeleton_style != "mmpose":
            drawn: np.ndarray = super()._draw_instances_kpts(
                image, instances, kpt_thr, show_kpt_idx, skeleton_style
            )
            return drawn
        drawn = draw_people(
            image[..., ::-1],
            *_people(instances),
            self.skeleton or (),
            instances.get("keypoint_widths") if self.draw_widths else None,
            person_thr=self.person_thr,
            keypoint_thr=kpt_thr,
            line_scale=self.line_width,
            point_scale=self.radius / 3,
        )
        return drawn[..., ::-1]

    def _draw_instances_bbox(self, image: np.ndarray, instances: Any) -> np.ndarray:
        """Draw the boxes of the people who are drawn, in their colours."""
        if "bboxes" not in instances:
            return image
        boxes = np.asarray(instances.bboxes)
        scores = np.asarray(instances.get("bbox_scores", np.ones(len(boxes))))
        drawn = draw_boxes(image[..., ::-1], boxes, scores, self.person_thr, self.line_width)
        return drawn[..., ::-1]


def _people(instances: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints (P, K, 2) in pixels of the image, their scores (P, K), people's scores (P,)."""
    keypoints = np.asarray(instances.get("transformed_keypoints", instances.keypoints))
    seen = np.ones(keypoints.shape[:2])
    scores = instances.get("keypoint_scores", instances.get("keypoints_visible", seen))
    person_scores = instances.get("bbox_scores", np.ones(len(keypoints)))
    return keypoints[..., :2], np.asarray(scores).reshape(seen.shape), np.asarray(person_scores)
