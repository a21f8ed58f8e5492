"""Checks an annotation file: lists all problems, and keeps what can be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mode
from typing import Any, Callable

from .categories import order_problems, people_category, with_people_first
from .conversion import converted
from .images import checked_images
from .people import Expected, checked_annotations
from .plausibility import doubts
from .problem import Checked, Problem, is_id, shown

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
    names: Mapping[int, str] | None = None,
    folder: Path | None = None,
    for_training: bool = True,
    needs_area: bool = False,
    progress: Callable[[Iterable[Checked]], Iterable[Checked]] = iter,
) -> Findings:
    """Check annotations.

    Args:
        content: As :func:`.reading.read_annotations` gives it; it is not changed.
        fields: The fields that hold keypoints, and how many each holds; None: as the category of
            people says, or else as most annotations have.
        names: The dataset's keypoints by their index, whose order the file must not contradict.
        folder: Where the images are, which are read then; None: they are not looked at.
        for_training: Whether someone must have a labelled keypoint, and what is usable has counts
            and boxes for training; False: those of the file, for evaluation.
        needs_area: Whether a missing area makes evaluation go wrong.
        progress: Wraps the images, for a progress bar.

    Examples:
        >>> person = dict(id=1, name="person", keypoints=["nose"])
        >>> content = dict(images=[], annotations=[], categories=[person])
        >>> len(check_content(content, dict(keypoints=17)).problems)
        1
    """
    content, conversions = converted(content)
    people, problems = people_category(content["categories"])
    fields = fields or _fields_of(content, people)
    if people is not None and not (fields and isinstance(people.get("keypoints"), list)):
        what = f"`keypoints` is {shown(people.get('keypoints'))}"
        fix = "Give it a list of their names; --dataset takes it from a description"
        if fields and names:
            fix = "Set to the dataset's"
            people["keypoints"] = [names[k] for k in sorted(names)[: fields["keypoints"]]]
        problems.append(Problem(f"category {people['id']}", what, fix, bool(names), stops=False))
    if people is None or not fields:
        hopeless = [replace(problem, fixed=False) for problem in problems]
        return Findings([*conversions, *hopeless], content, content)

    images = list(progress(checked_images(content["images"], folder)))
    known = [image.fixed for image in images if image.fixed]
    sizes = {image["id"]: (image["height"], image["width"]) for image in known}
    others = _ids(content["categories"]) - {people["id"]}
    own = _without(content["annotations"], "category_id", others)
    num_others = len(content["annotations"]) - len(own)
    own = _without(own, "image_id", _ids(content["images"]) - set(sizes))
    given = _numbers_of_keypoints(own)
    if names and len(set(given)) == 1 and given[0] != fields["keypoints"]:
        what = f"all {len(given)} people have {given[0]} keypoints, and not {fields['keypoints']}"
        fix = "Describe these as `metainfo` of the dataset (tools: --dataset)"
        return Findings([Problem("file", what, fix, fixed=False)], content, content)
    expected = Expected(sizes, people["id"], fields, needs_area)
    annotations = list(checked_annotations(own, expected))
    fixed = dict(
        content,
        images=known,
        annotations=[annotation.fixed for annotation in annotations if annotation.fixed],
        categories=with_people_first(content["categories"], people),
    )

    problems = [*conversions, *problems]
    for checked in (*images, *annotations):
        problems += checked.problems
    if num_others:
        what = f"{num_others} annotations are of other categories than {shown(people.get('name'))}"
        problems.append(Problem("file", what, "Left out", stops=False))
    problems += order_problems(people, names or {})
    labelled = [person for person in fixed["annotations"] if _is_labelled(person)]
    problems += doubts(labelled, sizes) if labelled else []
    if not known:
        problems.append(Problem("file", "no image can be used", "Bring images", False))
    elif for_training and not labelled:
        problems.append(Problem("file", "no person has a labelled keypoint", "Label some", False))
    return Findings(problems, fixed, _usable(content, people, images, annotations, for_training))


def _fields_of(content: dict[str, Any], people: dict[str, Any] | None) -> dict[str, int]:
    """The fields that hold keypoints, as the category has names, or else most annotations."""
    names: Any = people.get("keypoints") if people else None
    given = _numbers_of_keypoints(content["annotations"]) or [0]
    count = len(names) if isinstance(names, list) else mode(given)
    whole_body = any("foot_kpts" in annotation for annotation in content["annotations"])
    return {**(WHOLE_BODY_FIELDS if whole_body else {}), "keypoints": count} if count else {}


def _numbers_of_keypoints(annotations: list[dict[str, Any]]) -> list[int]:
    lists = (annotation.get("keypoints") for annotation in annotations)
    return [len(own) // 3 for own in lists if own and isinstance(own, list)]


def _ids(entries: list[dict[str, Any]]) -> set[int]:
    return {entry["id"] for entry in entries if is_id(entry.get("id"))}


def _without(entries: list[dict[str, Any]], name: str, ids: set[int]) -> list[dict[str, Any]]:
    """The entries whose field is none of some ids."""
    return [own for own in entries if not is_id(own.get(name)) or own[name] not in ids]


def _is_labelled(person: dict[str, Any]) -> bool:
    return not person.get("iscrowd") and person["num_keypoints"] > 0


def _usable(
    content: dict[str, Any],
    people: dict[str, Any],
    images: list[Checked],
    annotations: list[Checked],
    for_training: bool,
) -> dict[str, Any]:
    usable = [image.entry for image in images if image.usable]
    ids = _ids(usable)
    return dict(
        content,
        images=usable,
        annotations=[
            _complete(annotation.entry, annotation.fixed, for_training)
            for annotation in annotations
            if annotation.fixed and annotation.usable and annotation.entry["image_id"] in ids
        ],
        categories=[people],
    )


def _complete(annotation: dict[str, Any], fixed: dict[str, Any], training: bool) -> dict[str, Any]:
    """An annotation as it is, with what MMPose reads of all; unread segmentations are left out."""
    region, given = fixed.get("iscrowd", 0), annotation.get("num_keypoints")
    is_read = region or not fixed["num_keypoints"]
    segmentation = annotation.get("segmentation") if is_read else fixed.get("segmentation")
    complete = dict(annotation, iscrowd=region, segmentation=segmentation or [])
    # COCO's evaluation ignores people of whom the file says 0. Training masks only those without
    # labels, and CrowdPose's of whom nothing can be seen, as the official implementation does.
    if training or given is None:
        complete["num_keypoints"] = fixed["num_keypoints"]
    if training and not is_read:
        # MMPose takes whoever has no box inside the image for someone without keypoints
        complete["bbox"] = fixed["bbox"]
    return complete
