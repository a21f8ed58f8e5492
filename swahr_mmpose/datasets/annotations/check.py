"""All that is wrong with the content of an annotation file, and what of it can be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from .categories import people_category, with_people_first
from .images import checked_images
from .people import Expected, checked_annotations
from .problem import Problem, is_id, shown

#: The fields of COCO-WholeBody that hold keypoints, in order, and how many each holds.
WHOLE_BODY_FIELDS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}


@dataclass(frozen=True)
class Findings:
    """What a check found.

    Attributes:
        problems: All of them.
        fixed: The content with everything fixed that can be, for a new file.
        usable: The content as it is, without images and annotations whose problems would make
            training or test go wrong, and without other categories than that of people.
    """

    problems: list[Problem]
    fixed: dict[str, Any]
    usable: dict[str, Any]


def check_content(
    content: dict[str, Any],
    fields: Mapping[str, int] | None = None,
    folder: Path | None = None,
    needs_people: bool = True,
    needs_area: bool = False,
    looked_at: Callable[[int], object] = lambda count: None,
) -> Findings:
    """Check annotations.

    Args:
        content: As :func:`.annotation_files.read_annotations` gives it; it is not changed.
        fields: The fields that hold keypoints, and how many each holds; None: as the category of
            people says.
        folder: Where the images are, which are read then; None: they are not looked at.
        needs_people: Whether someone must have a labelled keypoint, as training needs.
        needs_area: Whether a missing area makes evaluation go wrong.
        looked_at: Called with 1 after each image.

    Examples:
        >>> content = dict(images=[], annotations=[], categories=[dict(id=1, name="person")])
        >>> len(check_content(content, dict(keypoints=17)).problems)
        1
    """
    people, problems = people_category(content["categories"])
    fields = fields or _fields_of(content, people)
    if people is None or not fields:
        if people is not None:
            fix = "Give it a list of the keypoints' names"
            what = f"`keypoints` is {shown(people.get('keypoints'))}"
            problems = [*problems, Problem(f"category {people.get('id')}", what, fix, False)]
        not_fixed = [replace(problem, fixed=False) for problem in problems]
        return Findings(not_fixed, content, content)
    fixed = with_people_first(content, people) if problems else content
    problems = [*problems, *_check_other_categories(content["categories"])]
    categories = [entry for entry in fixed["categories"] if is_id(entry.get("id"))]
    images, fixed_images, found = _check_images(content, folder, looked_at)
    problems = [*problems, *found]

    sizes = {entry["id"]: (entry["height"], entry["width"]) for entry in fixed_images}
    expected = Expected(
        sizes=sizes,
        unusable=frozenset(_ids(content["images"])) - frozenset(sizes),
        people=people["id"],
        others=frozenset(_ids(content["categories"])) - {people["id"]},
        fields=fields,
        needs_area=needs_area,
    )
    annotations, fixed_annotations, found = _check_annotations(content["annotations"], expected)
    usable_ids = set(_ids(images))
    annotations = [entry for entry in annotations if entry["image_id"] in usable_ids]
    problems += found + _check_file(content, people, expected, fixed_annotations, needs_people)
    if fixed is not content:
        fixed_annotations = [dict(entry, category_id=1) for entry in fixed_annotations]
    return Findings(
        problems,
        fixed=dict(
            fixed,
            images=fixed_images,
            annotations=fixed_annotations,
            categories=categories,
        ),
        usable=dict(content, images=images, annotations=annotations, categories=[people]),
    )


def _ids(entries: list[dict[str, Any]]) -> list[int]:
    return [entry["id"] for entry in entries if is_id(entry.get("id"))]


def _fields_of(content: dict[str, Any], people: dict[str, Any] | None) -> dict[str, int]:
    """The fields that hold keypoints; none where the category does not say."""
    names = people.get("keypoints") if people else None
    if not isinstance(names, list) or not names:
        return {}
    whole_body = any("foot_kpts" in annotation for annotation in content["annotations"])
    return {**(WHOLE_BODY_FIELDS if whole_body else {}), "keypoints": len(names)}


def _check_other_categories(categories: list[dict[str, Any]]) -> Iterator[Problem]:
    for entry in categories:
        if not is_id(entry.get("id")):
            what = f"`id` is {shown(entry.get('id'))}, and not a whole number"
            where = f"category {shown(entry.get('name'))}"
            yield Problem(where, what, "Left out", stops=False)


def _check_images(
    content: dict[str, Any], folder: Path | None, looked_at: Callable[[int], object]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Problem]]:
    """The usable images, the fixed ones, and the problems."""
    usable, fixed, problems = [], [], []
    for image, found, better in checked_images(content["images"], folder):
        looked_at(1)
        problems += found
        if not found:
            usable.append(image)
        if better is not None:
            fixed.append(better)
    return usable, fixed, problems


def _check_annotations(
    annotations: list[dict[str, Any]], expected: Expected
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Problem]]:
    """The usable annotations, the fixed ones, and the problems."""
    usable, fixed, problems = [], [], []
    for annotation, found, better in checked_annotations(annotations, expected):
        problems += found
        if better is None:
            continue
        fixed.append(better)
        if not any(problem.stops for problem in found):
            usable.append(_complete(annotation, better))
    return usable, fixed, problems


def _complete(annotation: dict[str, Any], fixed: dict[str, Any]) -> dict[str, Any]:
    """An annotation as it is, with what MMPose reads of all; unread segmentations are left out."""
    region = fixed.get("iscrowd", 0)
    is_read = region or not fixed["num_keypoints"]
    segmentation = annotation.get("segmentation") if is_read else fixed.get("segmentation")
    complete = dict(
        annotation,
        iscrowd=region,
        num_keypoints=_count(annotation, fixed),
        segmentation=segmentation or [],
    )
    if not is_read:
        # MMPose takes whoever has no box inside the image for someone without keypoints
        complete["bbox"] = fixed["bbox"]
    return complete


def _count(annotation: dict[str, Any], fixed: dict[str, Any]) -> Any:
    """The file's ``num_keypoints``, unless it says 0 of someone labelled, or the other way round.

    MMPose masks people of whom it says 0. CrowdPose counts those that can be seen only, and the
    official implementation masks people of whom none can.
    """
    given = annotation.get("num_keypoints")
    visible = (annotation.get("keypoints") or [])[2::3]
    labelled, seen = any(v > 0 for v in visible), any(v == 2 for v in visible)
    agrees = given is not None and bool(given) in (labelled, seen)
    return given if agrees else fixed["num_keypoints"]


def _check_file(
    content: dict[str, Any],
    people: dict[str, Any],
    expected: Expected,
    fixed: list[dict[str, Any]],
    needs_people: bool,
) -> list[Problem]:
    """What concerns the file as a whole."""
    problems = []
    others = sum(
        is_id(entry.get("category_id")) and entry["category_id"] in expected.others
        for entry in content["annotations"]
    )
    if others:
        what = f"{others} annotations are of other categories than {shown(people.get('name'))}"
        problems.append(Problem("file", what, "Left out", stops=False))
    if not expected.sizes:
        problems.append(Problem("file", "no image can be used", "Bring images", False))
    elif needs_people and not any(
        not entry.get("iscrowd") and entry["num_keypoints"] for entry in fixed
    ):
        problems.append(Problem("file", "no person has a labelled keypoint", "Label some", False))
    return problems
