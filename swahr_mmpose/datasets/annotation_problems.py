"""All that is wrong with a file of COCO keypoint annotations, and what mends it."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from .segmentation_problems import LARGEST, is_number, segmentation_problem


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: Such as ``annotation 12`` or ``image 3``.
        what: The field, its value, and what is wrong with it.
        mend: What to do, or what was done in the mended file.
        mended: Whether the mended file is right here.
    """

    where: str
    what: str
    mend: str
    mended: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.mend}."


class AnnotationFileError(ValueError):
    """A file that is no COCO annotations at all."""


def read_annotations(path: str | Path) -> dict[str, Any]:
    """The content of a file of annotations.

    Raises:
        FileNotFoundError: If there is no such file.
        AnnotationFileError: If it is no JSON, or lacks pictures, annotations or categories.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise AnnotationFileError(f"'{path}' is no whole JSON file: {error}.") from error
    for name in ("images", "annotations", "categories"):
        entries = content.get(name) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise AnnotationFileError(
                f"'{path}' has no list of objects `{name}`: it is no file of COCO annotations."
            )
    return dict(content)


def find_problems(
    content: dict[str, Any], folder: Path | None = None
) -> tuple[list[Problem], dict[str, Any]]:
    """Check annotations, and mend a copy.

    Args:
        content: As :func:`read_annotations` gives it; it is not changed.
        folder: Where the pictures are; None: files are not looked at.

    Returns:
        All problems, and the mended content. Annotations that can't be mended are not in it.
    """
    mended = copy.deepcopy(content)
    problems = [*_check_images(mended, folder), *_check_categories(mended)]
    problems += _check_ids(mended)
    names = {entry.get("id"): entry for entry in mended["images"]}
    person = _person_category(mended)
    num_keypoints = len(person["keypoints"]) if person else 0
    kept = []
    for annotation in mended["annotations"]:
        where = f"annotation {annotation.get('id')}"
        own, stays = _check_annotation(annotation, where, names, person, num_keypoints)
        problems += own
        if stays:
            kept.append(annotation)
    mended["annotations"] = kept
    if not any(not entry.get("iscrowd") and entry.get("num_keypoints") for entry in kept):
        problems.append(Problem("file", "no person has a labelled keypoint", "Label some", False))
    return problems, mended


def _check_images(content: dict[str, Any], folder: Path | None) -> Iterator[Problem]:
    counts = Counter(entry.get("id") for entry in content["images"])
    for entry in content["images"]:
        where = f"image {entry.get('id')}"
        if not isinstance(entry.get("id"), int):
            yield Problem(where, f"`id` is {entry.get('id')!r}", "Give it a whole number", False)
        elif counts[entry["id"]] > 1:
            mend = "Give each picture its own, here and in its annotations"
            yield Problem(where, f"`id` is that of {counts[entry['id']]} pictures", mend, False)
        name = entry.get("file_name")
        if not isinstance(name, str) or not name:
            yield Problem(where, f"`file_name` is {name!r}", "Name the picture's file", False)
            continue
        yield from _check_size(entry, where, folder / name if folder else None)


def _check_size(entry: dict[str, Any], where: str, path: Path | None) -> Iterator[Problem]:
    """Whether a picture is there, and as large as it is said to be."""
    actual = None
    if path is not None:
        # as it is stored: loaders of the pipeline turn it as the camera says, too
        image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
        if image is None:
            state = "can't be read as a picture" if path.is_file() else "is not there"
            yield Problem(where, f"`file_name` '{path}' {state}", "Bring the file back", False)
        else:
            actual = dict(height=image.shape[0], width=image.shape[1])
    for name in ("width", "height"):
        value = entry.get(name)
        if isinstance(value, int) and value > 0 and (actual is None or actual[name] == value):
            continue
        if actual is None:
            yield Problem(where, f"`{name}` is {value!r}", "Give it in pixels", False)
        else:
            what = f"`{name}` is {value!r}, and the picture's is {actual[name]}"
            yield Problem(where, what, "Set from the picture")
            entry[name] = actual[name]


def _person_category(content: dict[str, Any]) -> dict[str, Any] | None:
    with_keypoints = [entry for entry in content["categories"] if entry.get("keypoints")]
    named = [entry for entry in with_keypoints if entry.get("name") == "person"]
    return (named or with_keypoints or [None])[0]


def _check_categories(content: dict[str, Any]) -> Iterator[Problem]:
    person = _person_category(content)
    if person is None:
        mend = "Give a category `keypoints`, the list of their names"
        yield Problem("categories", "none has `keypoints`", mend, False)
        return
    where = f"category {person.get('id')}"
    if person.get("id") != 1:
        what = f"`id` of '{person.get('name')}' is {person.get('id')!r}, and evaluation asks for 1"
        taken = any(entry.get("id") == 1 for entry in content["categories"])
        yield Problem(where, what, "Set to 1, in its annotations too")
        before, other = person.get("id"), max(_ids(content["categories"]), default=1) + 1
        for name, entries in (("id", "categories"), ("category_id", "annotations")):
            for entry in content[entries]:
                if taken and entry.get(name) == 1:
                    entry[name] = other
                elif entry.get(name) == before:
                    entry[name] = 1


def _ids(entries: list[dict[str, Any]]) -> list[int]:
    return [entry["id"] for entry in entries if isinstance(entry.get("id"), int)]


def _check_ids(content: dict[str, Any]) -> Iterator[Problem]:
    """Annotations need ids of their own: of two with one id, one vanishes."""
    seen: set[int] = set()
    free = max(_ids(content["annotations"]), default=0) + 1
    for annotation in content["annotations"]:
        own = annotation.get("id")
        if not isinstance(own, int) or own in seen:
            what = f"`id` is that of {'another' if own in seen else 'none'}"
            yield Problem(f"annotation {own}", what, f"Set to {free}")
            annotation["id"], free = free, free + 1
        seen.add(annotation["id"])


def _check_annotation(
    annotation: dict[str, Any],
    where: str,
    images: dict[Any, dict[str, Any]],
    person: dict[str, Any] | None,
    num_keypoints: int,
) -> tuple[list[Problem], bool]:
    """Problems of one annotation, which is mended in place, and whether it can stay."""
    image = images.get(annotation.get("image_id"))
    if image is None:
        what = f"`image_id` {annotation.get('image_id')!r} is that of no picture"
        return [Problem(where, what, "Left out")], False
    if person is None or annotation.get("category_id") != person["id"]:
        what = f"`category_id` {annotation.get('category_id')!r} is not that of people"
        return [Problem(where, what, "Left out")], False
    problems = []
    if annotation.get("iscrowd") not in (0, 1):
        what = f"`iscrowd` is {annotation.get('iscrowd')!r}"
        problems.append(Problem(where, what, "Set to 0"))
        annotation["iscrowd"] = 0
    size = (image.get("height") or 0, image.get("width") or 0)
    found, usable = _check_segmentation(annotation, where, size)
    problems += found
    if not usable:
        return problems, False
    found, usable = _check_keypoints(annotation, where, size, num_keypoints)
    problems += found
    if not usable:
        return problems, False
    return [*problems, *_check_box(annotation, where)], True


def _check_segmentation(
    annotation: dict[str, Any], where: str, size: tuple[int, int]
) -> tuple[list[Problem], bool]:
    segmentation = annotation.get("segmentation")
    crowd = bool(annotation["iscrowd"])
    if not segmentation and not crowd:
        return [], True
    what = "is missing" if not segmentation else segmentation_problem(segmentation, size)
    if what is None:
        return [], True
    if crowd:
        # its area would be trained as background
        return [Problem(where, f"`segmentation` of a crowd {what}", "Left out")], False
    annotation["segmentation"] = []
    return [Problem(where, f"`segmentation` {what}", "Left empty")], True


def _check_keypoints(
    annotation: dict[str, Any], where: str, size: tuple[int, int], num_keypoints: int
) -> tuple[list[Problem], bool]:
    keypoints = annotation.get("keypoints")
    if keypoints is None and annotation["iscrowd"]:
        annotation.update(keypoints=[0] * (3 * num_keypoints), num_keypoints=0)
        return [], True
    if not isinstance(keypoints, list) or len(keypoints) != 3 * num_keypoints:
        given = f"{len(keypoints)} numbers" if isinstance(keypoints, list) else repr(keypoints)
        what = f"`keypoints` is {given}, and not {3 * num_keypoints} numbers"
        return [Problem(where, what, "Left out")], False
    problems = []
    for k in range(num_keypoints):
        own = keypoints[3 * k : 3 * k + 3]
        wrong = _keypoint_problem(own, size)
        if wrong:
            problems.append(Problem(where, f"keypoint {k} {wrong}", "Set to not labelled"))
            keypoints[3 * k : 3 * k + 3] = [0, 0, 0]
    labelled = sum(visible > 0 for visible in keypoints[2::3])
    if annotation.get("num_keypoints") != labelled:
        what = (
            f"`num_keypoints` is {annotation.get('num_keypoints')!r}, and {labelled} are labelled"
        )
        problems.append(Problem(where, what, f"Set to {labelled}"))
        annotation["num_keypoints"] = labelled
    return problems, True


def _keypoint_problem(keypoint: list[Any], size: tuple[int, int]) -> str | None:
    if not all(is_number(value) and abs(value) < LARGEST for value in keypoint):
        return f"is {keypoint}, and not three numbers"
    x, y, visible = keypoint
    if visible not in (0, 1, 2):
        return f"has visibility {visible!r}, and not 0, 1 or 2"
    height, width = size
    if visible and not (0 <= x <= width and 0 <= y <= height):
        return f"is at ({x}, {y}), outside the picture of {width}×{height} pixels"
    return None


def _check_box(annotation: dict[str, Any], where: str) -> Iterator[Problem]:
    """Box and area; they follow from keypoints where they must."""
    box = annotation.get("bbox")
    if not _is_box(box):
        places = annotation["keypoints"]
        xs = [x for x, visible in zip(places[::3], places[2::3]) if visible]
        ys = [y for y, visible in zip(places[1::3], places[2::3]) if visible]
        box, source = [0, 0, 1, 1], "to one pixel"
        if xs:
            box = [min(xs), min(ys), max(1, max(xs) - min(xs)), max(1, max(ys) - min(ys))]
            source = "from the keypoints"
        yield Problem(where, f"`bbox` is {annotation.get('bbox')!r}", f"Set {source}")
        annotation["bbox"] = box
    area: Any = annotation.get("area")
    if not is_number(area) or not 0 < area < LARGEST**2:
        yield Problem(where, f"`area` is {area!r}", "Set from `bbox`")
        annotation["area"] = float(annotation["bbox"][2] * annotation["bbox"][3])


def _is_box(box: Any) -> bool:
    """Whether it is left, top, width and height of some pixels."""
    if not isinstance(box, list) or len(box) != 4:
        return False
    return all(is_number(value) and abs(value) < LARGEST for value in box) and min(box[2:]) > 0
