"""COCO keypoint evaluation of people found bottom-up."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from mmpose.evaluation.metrics import CocoMetric, CocoWholeBodyMetric
from mmpose.registry import METRICS


class _BottomupProtocol:
    """The protocol of bottom-up methods, mixed into MMPose's metrics.

    People are ranked by their instance score and none is suppressed; the boxes that come with the
    predictions are left out of the result file, so that areas are those of the keypoints, as in
    the official implementation. If no one is found in any image, all figures are 0.
    """

    results: list[Any]
    iou_type: str

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("score_mode", "bbox")
        kwargs.setdefault("nms_mode", "none")
        super().__init__(**kwargs)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Take over the predictions of one batch."""
        super().process(data_batch, data_samples)  # type: ignore[misc]
        for pred, _ in self.results[-len(data_samples) :]:
            pred.pop("bbox", None)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """The figures, from the results of all processes."""
        self._anyone_found = any(len(pred["keypoints"]) for pred, _ in results)
        metrics: dict[str, float] = super().compute_metrics(results)  # type: ignore[misc]
        return metrics

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        if self._anyone_found:
            figures: list[tuple[str, float]] = super()._do_python_keypoint_eval(  # type: ignore[misc]
                outfile_prefix
            )
            return figures
        return [(name, 0.0) for name in self._stats_names()]

    def _stats_names(self) -> list[str]:
        names = ["AP", "AP .5", "AP .75"]
        if self.iou_type == "keypoints_crowd":
            return [*names, "AR", "AR .5", "AR .75", "AP(E)", "AP(M)", "AP(H)"]
        by_size = ["AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)"]
        return [*names, *by_size]


@METRICS.register_module()
class BottomupCocoMetric(_BottomupProtocol, CocoMetric):
    """MMPose's ``CocoMetric`` with the protocol of bottom-up methods.

    People are ranked by their instance score and none is suppressed. Areas are those of the
    keypoints, as in the official implementation. If no one is found in any image, all figures
    are 0.

    Args:
        **kwargs: As for ``CocoMetric``, with ``score_mode='bbox'`` and ``nms_mode='none'``.
    """


@METRICS.register_module()
class BottomupCocoWholeBodyMetric(_BottomupProtocol, CocoWholeBodyMetric):
    """MMPose's ``CocoWholeBodyMetric`` with the same protocol as :class:`BottomupCocoMetric`.

    The figures are those of the whole body.

    Args:
        **kwargs: As for ``CocoWholeBodyMetric``, with ``score_mode='bbox'`` and
            ``nms_mode='none'``.
    """

    def gt_to_coco_json(self, gt_dicts: Sequence[dict[str, Any]], outfile_prefix: str) -> str:
        """As in MMPose, which stops at pictures without people."""
        people = [
            dict(gt, raw_ann_info=[ann for ann in gt["raw_ann_info"] if ann is not None])
            for gt in gt_dicts
        ]
        path: str = super().gt_to_coco_json(people, outfile_prefix)
        return path

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        with warnings.catch_warnings():
            # parts are ranked by the score of the person: the protocol has no other
            warnings.filterwarnings("ignore", message=".*_score' not found, use 'score' instead")
            return super()._do_python_keypoint_eval(outfile_prefix)
