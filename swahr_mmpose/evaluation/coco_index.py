"""Checked annotations, indexed for COCO's evaluation."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from ..datasets.annotations.reading import usable_annotations

#: How much of their box people fill, where COCO's evaluation is told to do without areas.
_SHARE_OF_BOX = 0.53


class KeypointEvaluation(COCOeval):
    """COCO's own evaluation: the file's ``num_keypoints`` says who is ignored, 0 that they are.

    xtcocotools counts labels for this; all else is as there, with any sigmas.
    """

    def _prepare(self) -> None:
        super()._prepare()
        for person in itertools.chain(*self._gts.values()):
            person["ignore"] = person["iscrowd"] or person["num_keypoints"] == 0


def indexed(content: dict[str, Any]) -> COCO:
    """The content of an annotation file, as COCO's library looks things up.

    Examples:
        >>> content = dict(images=[dict(id=4)], annotations=[], categories=[])
        >>> indexed(content).getImgIds()
        [4]
    """
    annotations = COCO()
    annotations.dataset = content
    # it prints its progress
    with contextlib.redirect_stdout(io.StringIO()):
        annotations.createIndex()
    return annotations


def part_of(annotations: COCO, image_ids: Collection[int]) -> COCO:
    """The annotations of some images.

    Examples:
        >>> whole = indexed(dict(images=[dict(id=4), dict(id=5)], annotations=[], categories=[]))
        >>> part_of(whole, {5}).getImgIds()
        [5]
    """
    content = annotations.dataset
    people = content.get("annotations", [])
    return indexed(
        dict(
            content,
            images=[image for image in content["images"] if image["id"] in image_ids],
            annotations=[person for person in people if person["image_id"] in image_ids],
        )
    )


def read_labels(path: str | Path, dataset_meta: Mapping[str, Any]) -> COCO:
    """The labels that people who were found are compared with.

    What the metric accepts is accepted, with its defaults for fields that are missing: without
    areas, those of the boxes are taken, as the metric does with ``use_area=False``.

    Args:
        path: The annotation file.
        dataset_meta: The dataset's description, as MMPose parses it.

    Raises:
        FileNotFoundError: If there is no such file.
        AnnotationFileError: If it can't be used; the message names what is wrong, and fixes.
    """
    content = usable_annotations(
        str(path),
        {"keypoints": dataset_meta["num_keypoints"]},
        skip_broken=False,
        names=dataset_meta["keypoint_id2name"],
    )
    people = content["annotations"]
    if any(person.get("area") is None for person in people):
        print_log(
            f"'{path}' has annotations without `area`: {_SHARE_OF_BOX} of each box is taken, as "
            "the metric does with `use_area=False`.",
            logger="current",
        )
        # of all, as areas from two sources can't be compared
        people = [dict(person, area=_SHARE_OF_BOX * _box_area(person)) for person in people]
    return indexed(dict(content, annotations=people))


def _box_area(person: Mapping[str, Any]) -> float:
    return float(person["bbox"][2] * person["bbox"][3])
