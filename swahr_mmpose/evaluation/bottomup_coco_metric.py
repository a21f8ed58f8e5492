"""COCO keypoint evaluation of people found bottom-up."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import mmengine
import numpy as np
from mmengine.logging import MessageHub, print_log
from mmpose.evaluation.metrics import CocoMetric, CocoWholeBodyMetric
from mmpose.registry import METRICS
from xtcocotools.coco import COCO

from ..datasets.annotations.check import WHOLE_BODY_FIELDS
from ..datasets.annotations.problem import is_number
from ..datasets.annotations.reading import AnnotationFileError, usable_annotations
from .coco_index import KeypointEvaluation, indexed, part_of


class _BottomupProtocol:
    """The protocol of bottom-up methods, mixed into MMPose's metrics."""

    results: list[Any]
    iou_type: str
    use_area: bool
    format_only: bool
    pred_converter: Any
    coco: Any
    _dataset_meta: dict[str, Any] | None

    #: The fields that hold keypoints, and how many each holds; None: as the dataset has keypoints.
    KEYPOINT_FIELDS: dict[str, int] | None = None

    #: What people can be compared by.
    IOU_TYPES: tuple[str, ...] = ("keypoints", "keypoints_crowd")

    #: The only id that the category of people may have; None: any.
    PEOPLE_ID: int | None = None

    def __init__(
        self, ann_file: str | None = None, skip_broken: bool = False, **kwargs: Any
    ) -> None:
        if kwargs.get("iou_type", "keypoints") not in self.IOU_TYPES:
            raise ValueError(
                f"`iou_type` must be one of {self.IOU_TYPES}, but is {kwargs['iou_type']!r}."
            )
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
        people_id = content["categories"][0]["id"]
        if self.PEOPLE_ID not in (None, people_id):
            raise AnnotationFileError(
                f"'{ann_file}': the category of people has the id {people_id}, and the evaluation "
                f"of whole bodies asks for {self.PEOPLE_ID}. "
                f"`swahr check {ann_file!r} --fix fixed.json` sets it."
            )
        return indexed(content)

    @property
    def _people_id(self) -> int:
        categories = self.coco.dataset["categories"] if self.coco else None
        categories = categories or (self._dataset_meta or {}).get("CLASSES") or [dict(id=1)]
        return int(categories[0]["id"])

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Take over the predictions of one batch.

        Raises:
            ValueError: If they have other keypoints than the dataset, or NaN or infinity.
        """
        super().process(data_batch, data_samples)  # type: ignore[misc]
        meta = self._dataset_meta or {}
        for pred, _ in self.results[-len(data_samples) :]:
            given = np.shape(pred["keypoints"])[1]
            if self.pred_converter is None and given != meta.get("num_keypoints", given):
                raise ValueError(
                    f"The network finds {given} keypoints of a person, but the dataset "
                    f"'{meta['dataset_name']}' has {meta['num_keypoints']}. Test it on the dataset "
                    "that it is for."
                )
            for name in ("keypoints", "keypoint_scores", "bbox_scores"):
                if not np.isfinite(pred[name]).all():
                    raise ValueError(
                        f"The people found in image {pred['img_id']} have NaN or infinity in "
                        f"`{name}`. Check the weights, and the codec that decodes."
                    )
            pred.pop("bbox", None)  # areas are those of the keypoints
            pred["category_id"] = self._people_id

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """The figures for the images that were tested, from the results of all processes.

        Raises:
            ValueError: If the annotation file is not known, or not that of the images.
        """
        self._anyone_found = any(len(pred["keypoints"]) for pred, _ in results)
        whole = self.coco
        self.coco = self._tested_part([pred["img_id"] for pred, _ in results])
        try:
            metrics: dict[str, float] = super().compute_metrics(results)  # type: ignore[misc]
        finally:
            self.coco = whole
        unknown = [name for name, value in metrics.items() if value == -1]
        if unknown:
            what = f"{', '.join(unknown)} −1: no one is labelled that they could be computed from."
            print_log(what, logger="current")
        return metrics

    def _tested_part(self, image_ids: list[int]) -> COCO:
        """The annotations of the tested images: people in others would count as missed."""
        if self.coco is None:
            raise ValueError(
                "The metric knows no annotation file. Set `test_mode=True` on the dataset, or "
                "`ann_file` on the metric."
            )
        tested, known = set(image_ids), self.coco.imgs
        unknown = sorted(tested - set(known))
        if unknown:
            raise ValueError(
                f"{len(unknown)} of the tested images, first {unknown[0]}, are not in the "
                "metric's annotation file. Set `ann_file` on the metric, and test datasets one at "
                "a time."
            )
        if len(tested) < len(image_ids):
            twice = next(i for i in image_ids if image_ids.count(i) > 1)
            raise ValueError(
                f"Image {twice} was tested more than once. Test each image once, without "
                "`RepeatDataset`, and datasets one at a time."
            )
        if len(tested) == len(known):
            return self.coco
        message = f"{len(tested)} of {len(known)} images were tested. The figures are for these."
        print_log(message, logger="current")
        return part_of(self.coco, tested)

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        if self._anyone_found:
            if self.iou_type == "keypoints" and self.KEYPOINT_FIELDS is None:
                found = self.coco.loadRes(f"{outfile_prefix}.keypoints.json")
                sigmas = (self._dataset_meta or {})["sigmas"]
                evaluation = KeypointEvaluation(
                    self.coco, found, "keypoints", sigmas, self.use_area
                )
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.summarize()
                return list(zip(self._stats_names(), evaluation.stats))
            if self.iou_type == "keypoints_crowd":
                # the evaluation by crowd levels reads the images' indices from a file once more
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
        skip_broken: Leave out images and annotations that can't be used, as the dataset's
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
    IOU_TYPES = ("keypoints",)
    PEOPLE_ID = 1  # MMPose writes it into the results

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        with warnings.catch_warnings():
            # parts are ranked by the score of the person: the protocol has no other
            warnings.filterwarnings("ignore", message=".*_score' not found, use 'score' instead")
            return super()._do_python_keypoint_eval(outfile_prefix)
