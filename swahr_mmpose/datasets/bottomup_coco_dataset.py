"""MMPose's datasets in COCO's format, with checked annotations, for bottom-up methods."""

from __future__ import annotations

import os.path as osp
from collections import defaultdict
from typing import Any

from mmengine.logging import print_log
from mmpose.datasets.datasets.body import AicDataset, CocoDataset, CrowdPoseDataset
from mmpose.datasets.datasets.wholebody import CocoWholeBodyDataset
from mmpose.registry import DATASETS

from ..images.files import ImageError
from ..utils.errors import failed_step
from .annotations.check import WHOLE_BODY_FIELDS
from .annotations.reading import AnnotationFileError, usable_annotations
from .metainfo import description_file, parsed_description

_TOP_DOWN = {"GetBBoxCenterScale", "RandomBBoxTransform", "RandomHalfBody", "TopdownAffine"}


class _Bottomup:
    """Whole images, and an error where something would be misread; mixed into MMPose's."""

    metainfo: dict[str, Any]
    _metainfo: dict[str, Any]
    ann_file: str
    data_prefix: dict[str, str]
    test_mode: bool
    sample_interval: int
    pipeline: Any
    METAINFO: dict[str, Any]

    #: The fields that hold keypoints, and how many each holds; None: as the dataset has keypoints.
    KEYPOINT_FIELDS: dict[str, int] | None = None

    def __init__(self, *args: Any, skip_broken: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("data_mode", "bottomup")
        prefix = kwargs.get("data_prefix", {"img": ""})
        if "img" not in prefix:
            raise ValueError(f"`data_prefix` must have the key 'img', but is {dict(prefix)}.")
        self.skip_broken = skip_broken
        super().__init__(*args, **kwargs)
        for name in (type(step).__name__ for step in self.pipeline.transforms):
            if name in _TOP_DOWN:
                raise ValueError(
                    f"`{name}` in `pipeline` is for one person at a time. Use "
                    "`BottomupUniformAffine` in training and `BottomupPyramidResize` in test."
                )

    @classmethod
    def _load_metainfo(cls, metainfo: dict[str, Any] | None = None) -> dict[str, Any]:
        """As in MMPose, of a description that was checked."""
        return parsed_description(cls.METAINFO if metainfo is None else metainfo)

    def _load_annotations(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """People and images, as in MMPose, of annotations that were checked."""
        content = usable_annotations(
            self.ann_file,
            self.KEYPOINT_FIELDS or {"keypoints": self.metainfo["num_keypoints"]},
            self.skip_broken,
            for_training=not self.test_mode,
            optional=("annotations",) if self.test_mode else (),
            names=self.metainfo["keypoint_id2name"],
        )
        self._metainfo["CLASSES"] = content["categories"]
        annotations = defaultdict(list)
        for annotation in content["annotations"]:
            annotations[annotation["image_id"]].append(annotation)
        people, images = [], []
        for image in content["images"]:
            if image["id"] % self.sample_interval:
                continue
            if "://" in image["file_name"]:
                raise AnnotationFileError(
                    f"Image {image['id']} of '{self.ann_file}': `file_name` is an address, "
                    f"{image['file_name']!r}. Give that of the folder as `data_prefix`, "
                    "`dict(img='s3://…')`, and names in it as `file_name`."
                )
            path = osp.join(self.data_prefix["img"], image["file_name"])
            image = dict(image, img_id=image["id"], img_path=path)
            images.append(image)
            for annotation in annotations[image["id"]]:
                raw = dict(raw_ann_info=annotation, raw_img_info=image)
                people.append(self.parse_data_info(raw))  # type: ignore[attr-defined]
        return people, images

    def _get_bottomup_data_infos(
        self, people: list[dict[str, Any]], images: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """As in MMPose, with the size that each image was annotated in."""
        sizes = {image["id"]: (int(image["width"]), int(image["height"])) for image in images}
        infos: list[dict[str, Any]] = super()._get_bottomup_data_infos(people, images)  # type: ignore[misc]
        if len(infos) < len(images):
            print_log(
                f"'{self.ann_file}': {len(images) - len(infos)} of {len(images)} images have no "
                "annotations and are not trained on, as in the official code.",
                "current",
            )
        for info in infos:
            info["annotated_size"] = sizes[info["img_id"]]
        return infos

    def prepare_data(self, idx: int) -> Any:
        """As in MMPose; whatever goes wrong with an image, the error names it."""
        try:
            return super().prepare_data(idx)  # type: ignore[misc]
        except Exception as error:  # steps of the pipeline raise errors of many kinds
            info = self.get_data_info(idx)  # type: ignore[attr-defined]
            where = f"Image {info['img_id']} of '{self.ann_file}', '{info['img_path']}'"
            what = f": {failed_step(error, self.pipeline.transforms)}"
            if isinstance(error, (ImageError, OSError)):
                what = (
                    f", can't be used: {error}\nTo find all images that can't be read, and leave "
                    f"them out: `swahr check {self.ann_file!r} --images "
                    f"{self.data_prefix['img']!r} --fix fixed.json`."
                )
            raise ImageError(f"{where}{what}") from error


@DATASETS.register_module()
class BottomupCocoDataset(_Bottomup, CocoDataset):
    """COCO keypoints, all people of an image in one sample.

    Arguments as for ``CocoDataset``, and ``skip_broken``: whether to leave out images and
    annotations that can't be used, and list them in the log; by default they are an error.

    Raises:
        AnnotationFileError: If the annotations can't be used; the message names fixes.
    """

    METAINFO = dict(from_file=description_file("coco"))


@DATASETS.register_module()
class BottomupCrowdPoseDataset(_Bottomup, CrowdPoseDataset):
    """CrowdPose, all people of an image in one sample.

    Arguments as for ``CrowdPoseDataset``, and ``skip_broken`` as for
    :class:`BottomupCocoDataset`.
    """

    METAINFO = dict(from_file=description_file("crowdpose"))


@DATASETS.register_module()
class BottomupAicDataset(_Bottomup, AicDataset):
    """AI Challenger, all people of an image in one sample.

    Arguments as for ``AicDataset``, and ``skip_broken`` as for :class:`BottomupCocoDataset`.
    """

    METAINFO = dict(from_file=description_file("aic"))


@DATASETS.register_module()
class BottomupCocoWholeBodyDataset(_Bottomup, CocoWholeBodyDataset):
    """COCO-WholeBody: body, feet, face and hands of all people of an image in one sample.

    Arguments as for ``CocoWholeBodyDataset``, and ``skip_broken`` as for
    :class:`BottomupCocoDataset`.
    """

    METAINFO = dict(from_file=description_file("coco_wholebody"))
    KEYPOINT_FIELDS = WHOLE_BODY_FIELDS
