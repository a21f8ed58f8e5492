"""MMPose's datasets in COCO's format, with checked annotations, for bottom-up methods."""

from __future__ import annotations

from typing import Any

from mmpose.datasets.datasets.body import AicDataset, CocoDataset, CrowdPoseDataset
from mmpose.datasets.datasets.wholebody import CocoWholeBodyDataset
from mmpose.registry import DATASETS

from .descriptions import description_file


class _Bottomup:
    """Whole pictures, and an error where an annotation would be misread; mixed into MMPose's."""

    metainfo: dict[str, Any]
    ann_file: str

    #: The fields that hold keypoints, in order, and how many each holds; None: all there are.
    KEYPOINT_FIELDS: dict[str, int | None] = {"keypoints": None}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("data_mode", "bottomup")
        super().__init__(*args, **kwargs)

    def parse_data_info(self, raw_data_info: dict[str, Any]) -> dict[str, Any] | None:
        """As in MMPose, after checks; annotations of regions (no keypoints at all) are kept."""
        annotation = raw_data_info["raw_ann_info"]
        self._check(annotation)
        return super().parse_data_info(raw_data_info)  # type: ignore[misc]

    def _check(self, annotation: dict[str, Any]) -> None:
        name = f"Annotation {annotation.get('id')} in '{self.ann_file}'"
        for field in (*self.KEYPOINT_FIELDS, "bbox"):
            if field not in annotation:
                raise ValueError(
                    f"{name} has no `{field}`. Use the dataset's keypoint file "
                    f"({self._keypoint_file}), or remove the annotation."
                )
        for field, count in self.KEYPOINT_FIELDS.items():
            num_keypoints = count or self.metainfo["num_keypoints"]
            given = len(annotation[field])
            if given != 3 * num_keypoints:
                raise ValueError(
                    f"{name} has {given} numbers in `{field}`, but the dataset has {num_keypoints} "
                    f"keypoints there, so 3 × {num_keypoints} = {3 * num_keypoints} (x, y, "
                    "visibility) are needed. Is it the file of another dataset?"
                )

    _keypoint_file = "person_keypoints_*.json"


@DATASETS.register_module()
class BottomupCocoDataset(_Bottomup, CocoDataset):
    """COCO keypoints, all people of an image in one sample; arguments as for ``CocoDataset``."""

    METAINFO = dict(from_file=description_file("coco"))


@DATASETS.register_module()
class BottomupCrowdPoseDataset(_Bottomup, CrowdPoseDataset):
    """CrowdPose, all people of an image in one sample; arguments as for ``CrowdPoseDataset``."""

    METAINFO = dict(from_file=description_file("crowdpose"))


@DATASETS.register_module()
class BottomupAicDataset(_Bottomup, AicDataset):
    """AI Challenger, all people of an image in one sample; arguments as for ``AicDataset``."""

    METAINFO = dict(from_file=description_file("aic"))
    _keypoint_file = "aic_*.json"


@DATASETS.register_module()
class BottomupCocoWholeBodyDataset(_Bottomup, CocoWholeBodyDataset):
    """COCO-WholeBody: body, feet, face and hands of all people of an image in one sample.

    Arguments as for ``CocoWholeBodyDataset``.
    """

    METAINFO = dict(from_file=description_file("coco_wholebody"))
    KEYPOINT_FIELDS = {
        "keypoints": 17,
        "foot_kpts": 6,
        "face_kpts": 68,
        "lefthand_kpts": 21,
        "righthand_kpts": 21,
    }
    _keypoint_file = "coco_wholebody_*_v1.0.json"
