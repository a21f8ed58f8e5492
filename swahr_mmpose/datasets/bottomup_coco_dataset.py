"""MMPose's COCO and CrowdPose datasets, with checked annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmpose
from mmpose.datasets.datasets.body import CocoDataset, CrowdPoseDataset
from mmpose.registry import DATASETS


def _described_by_mmpose(name: str) -> dict[str, str]:
    """Where MMPose's description of a dataset is.

    Its datasets look in the current folder first, and warn.
    """
    package = Path(mmpose.__file__).parent
    places = [root / "configs/_base_/datasets" for root in (package / ".mim", package.parent)]
    found = [str(place / f"{name}.py") for place in places if (place / f"{name}.py").is_file()]
    return dict(from_file=found[0] if found else f"configs/_base_/datasets/{name}.py")


class _CheckedAnnotations:
    """Raises where an annotation would be misread, naming it; mixed into MMPose's datasets."""

    metainfo: dict[str, Any]
    ann_file: str

    def parse_data_info(self, raw_data_info: dict[str, Any]) -> dict[str, Any] | None:
        """As in MMPose, after checks; annotations of regions (no keypoints at all) are kept."""
        annotation = raw_data_info["raw_ann_info"]
        self._check(annotation)
        return super().parse_data_info(raw_data_info)  # type: ignore[misc]

    def _check(self, annotation: dict[str, Any]) -> None:
        name = f"Annotation {annotation.get('id')} in '{self.ann_file}'"
        num_keypoints = self.metainfo["num_keypoints"]
        for field in ("keypoints", "bbox"):
            if field not in annotation:
                raise ValueError(
                    f"{name} has no `{field}`. Use a keypoint file (person_keypoints_*.json), or "
                    "remove the annotation."
                )
        given = len(annotation["keypoints"])
        if given != 3 * num_keypoints:
            raise ValueError(
                f"{name} has {given} numbers in `keypoints`, but the dataset has {num_keypoints} "
                f"keypoints, so 3 × {num_keypoints} = {3 * num_keypoints} (x, y, visibility) are "
                "needed. Is it the file of another dataset?"
            )


@DATASETS.register_module()
class BottomupCocoDataset(_CheckedAnnotations, CocoDataset):
    """COCO keypoints, all people of an image in one sample; arguments as for ``CocoDataset``."""

    METAINFO = _described_by_mmpose("coco")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("data_mode", "bottomup")
        super().__init__(*args, **kwargs)


@DATASETS.register_module()
class BottomupCrowdPoseDataset(_CheckedAnnotations, CrowdPoseDataset):
    """CrowdPose, all people of an image in one sample; arguments as for ``CrowdPoseDataset``."""

    METAINFO = _described_by_mmpose("crowdpose")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("data_mode", "bottomup")
        super().__init__(*args, **kwargs)
