"""COCO keypoint evaluation of people found bottom-up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import mmengine
from mmengine.logging import MessageHub
from mmpose.evaluation.metrics import CocoMetric, CocoWholeBodyMetric
from mmpose.registry import METRICS
from xtcocotools.coco import COCO

from ..datasets.annotation_files import AnnotationFileError
from ..datasets.content_check import WHOLE_BODY_FIELDS
from ..datasets.problem import is_number
from ..datasets.usable_annotations import usable_annotations
from .labels import indexed


class _BottomupProtocol:
    """The protocol of bottom-up methods, mixed into MMPose's metrics.

    People are ranked by their instance score and none is suppressed; the boxes that come with the
    predictions are left out of the result file, so that areas are those of the keypoints, as in
    the official implementation. If no one is found in any image, all figures are 0.
    """

    results: list[Any]
    iou_type: str
    use_area: bool
    format_only: bool
    coco: Any
    _dataset_meta: dict[str, Any] | None

    #: The fields that hold keypoints, and how many each holds; None: as the dataset has keypoints.
    KEYPOINT_FIELDS: dict[str, int] | None = None

    def __init__(
        self, ann_file: str | None = None, skip_broken: bool = False, **kwargs: Any
    ) -> None:
        kwargs.setdefault("score_mode", "bbox")
        kwargs.setdefault("nms_mode", "none")
        # not to MMPose, which would read the file unchecked
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self.skip_broken = skip_broken

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What describes the dataset."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any]) -> None:
        """Take it, and read the annotation file: the one that was given, or the dataset's."""
        key = f"{dataset_meta['dataset_name']}_ann_file"
        ann_file = self.ann_file or MessageHub.get_current_instance().get_info(key, None)
        if self.coco is None and ann_file is not None:
            self.coco = self._read(ann_file, dataset_meta)
        # MMPose's has no file to read any more
        super(_BottomupProtocol, type(self)).dataset_meta.fset(self, dataset_meta)  # type: ignore[misc]

    def _read(self, ann_file: str, dataset_meta: Mapping[str, Any]) -> COCO:
        """The annotations, checked.

        Raises:
            FileNotFoundError: If there is no such file.
            AnnotationFileError: If it can't be used.
        """
        content = usable_annotations(
            ann_file,
            self.KEYPOINT_FIELDS or {"keypoints": dataset_meta["num_keypoints"]},
            self.skip_broken,
            needs_area=self.use_area,
            optional=("annotations",) if self.format_only else (),
            names=dataset_meta.get("keypoint_id2name"),
        )
        for image in content["images"]:
            if self.iou_type == "keypoints_crowd" and not is_number(image.get("crowdIndex")):
                raise AnnotationFileError(
                    f"Image {image['id']} of '{ann_file}' has no number `crowdIndex`, which "
                    "`iou_type='keypoints_crowd'` asks for. Is it CrowdPose's file?"
                )
        self._check_category(ann_file, content["categories"][0])
        return indexed(content)

    def _check_category(self, ann_file: str, people: dict[str, Any]) -> None:
        """Any id will do."""

    @property
    def _people_id(self) -> int:
        categories = self.coco.dataset["categories"] if self.coco else None
        categories = categories or (self._dataset_meta or {}).get("CLASSES") or [dict(id=1)]
        return int(categories[0]["id"])

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Take over the predictions of one batch."""
        super().process(data_batch, data_samples)  # type: ignore[misc]
        for pred, _ in self.results[-len(data_samples) :]:
            pred.pop("bbox", None)
            pred["category_id"] = self._people_id

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """The figures, from the results of all processes."""
        self._anyone_found = any(len(pred["keypoints"]) for pred, _ in results)
        metrics: dict[str, float] = super().compute_metrics(results)  # type: ignore[misc]
        return metrics

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        if self._anyone_found:
            if self.iou_type == "keypoints_crowd":
                # the evaluation by crowd levels reads the pictures' indices from a file once more
                path = f"{outfile_prefix}.gt.json"
                mmengine.dump(self.coco.dataset, path)
                self.coco.anno_file = [path]
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
        ann_file: The annotation file; None: that of the dataset.
        skip_broken: Leave out pictures and annotations that can't be used, as the dataset's
            option does. By default they are an error.
        **kwargs: As for ``CocoMetric``, with ``score_mode='bbox'`` and ``nms_mode='none'``.
    """


@METRICS.register_module()
class BottomupCocoWholeBodyMetric(_BottomupProtocol, CocoWholeBodyMetric):
    """MMPose's ``CocoWholeBodyMetric`` with the same protocol as :class:`BottomupCocoMetric`.

    The figures are those of the whole body.

    Args:
        ann_file: The annotation file; None: that of the dataset.
        skip_broken: As for :class:`BottomupCocoMetric`.
        **kwargs: As for ``CocoWholeBodyMetric``, with ``score_mode='bbox'`` and
            ``nms_mode='none'``.
    """

    KEYPOINT_FIELDS = WHOLE_BODY_FIELDS

    def _check_category(self, ann_file: str, people: dict[str, Any]) -> None:
        """MMPose writes 1 into the results."""
        if people["id"] != 1:
            raise AnnotationFileError(
                f"'{ann_file}': the category of people has the id {people['id']}, and the "
                "evaluation of whole bodies asks for 1. "
                f"`tools/check_dataset.py {ann_file!r} --fix mended.json` sets it."
            )

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
