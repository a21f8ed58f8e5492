"""What is wrong with the annotations of a file, and what fixes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .problem import LARGEST, Problem, are_numbers, is_id, is_number, shown
from .segmentation import segmentation_problem, without_empty_polygons

_LEFT_OUT = "Left out"


@dataclass(frozen=True)
class Expected:
    """What annotations are checked against.

    Attributes:
        sizes: (h, w) of each usable image, by id.
        unusable: Ids of images that are left out with their annotations.
        people: Id of the category of people.
        others: Ids of the other categories.
        fields: The fields that hold keypoints, and how many each holds.
        needs_area: Whether evaluation reads areas.
    """

    sizes: Mapping[int, tuple[int, int]]
    unusable: frozenset[int]
    people: Any
    others: frozenset[int]
    fields: Mapping[str, int]
    needs_area: bool = False


def checked_annotations(
    annotations: list[dict[str, Any]], expected: Expected
) -> Iterator[tuple[dict[str, Any], list[Problem], dict[str, Any] | None]]:
    """Each annotation of people, its problems, and the fixed one; None where it is left out.

    Annotations of other categories, and those of images that are left out, do not come.

    Examples:
        >>> expected = Expected({1: (48, 64)}, frozenset(), 1, frozenset(), dict(keypoints=17))
        >>> person = dict(id=5, image_id=9, category_id=1)
        >>> ((_, problems, fixed),) = checked_annotations([person], expected)
        >>> print(*problems)
        annotation 5: `image_id` 9 is that of no image. Left out.
    """
    seen: set[int] = set()
    ids = [annotation["id"] for annotation in annotations if is_id(annotation.get("id"))]
    free = max(ids, default=0) + 1
    for annotation in annotations:
        image_id, category = annotation.get("image_id"), annotation.get("category_id")
        if is_id(image_id) and image_id in expected.unusable:
            continue
        if is_id(category) and category in expected.others:
            continue
        own: Any = annotation.get("id")
        problems, fixed = _check(annotation, f"annotation {shown(own)}", expected)
        if not is_id(own) or own in seen:
            what = f"`id` is {'that of another' if is_id(own) else 'no whole number'}"
            fix = f"Set to {free}" if fixed else _LEFT_OUT
            problems = [Problem(f"annotation {shown(own)}", what, fix), *problems]
            if fixed:
                fixed = dict(fixed, id=free)
                free += 1
        else:
            seen.add(own)
        yield annotation, problems, fixed


def _check(
    annotation: dict[str, Any], where: str, expected: Expected
) -> tuple[list[Problem], dict[str, Any] | None]:
    image_id: Any = annotation.get("image_id")
    if not is_id(image_id) or image_id not in expected.sizes:
        what = f"`image_id` {shown(image_id)} is that of no image"
        return [Problem(where, what, _LEFT_OUT)], None
    if annotation.get("category_id") != expected.people:
        what = f"`category_id` {shown(annotation.get('category_id'))} is that of no category"
        return [Problem(where, what, _LEFT_OUT)], None
    fixed = dict(annotation)
    size = expected.sizes[image_id]
    problems = [*_check_crowd(fixed, where), *_check_keypoints(fixed, where, size, expected)]
    if any(problem.fix == _LEFT_OUT for problem in problems):
        return problems, None
    problems += _check_box(fixed, where, size, expected.needs_area)
    problems += _check_segmentation(fixed, where, size)
    return problems, fixed


def _check_crowd(fixed: dict[str, Any], where: str) -> Iterator[Problem]:
    crowd = fixed.get("iscrowd", 0)
    if crowd in (0, 1):
        return
    yield Problem(where, f"`iscrowd` is {shown(crowd)}, and not 0 or 1", "Set to 0")
    fixed["iscrowd"] = 0


def _check_keypoints(
    fixed: dict[str, Any], where: str, size: tuple[int, int], expected: Expected
) -> Iterator[Problem]:
    for field, count in expected.fields.items():
        keypoints = fixed.get(field)
        if isinstance(keypoints, list) and len(keypoints) == 3 * count:
            if not _are_sound(keypoints, size, field):
                yield from _check_each(fixed, where, size, field)
            continue
        given = f"{len(keypoints)} numbers" if isinstance(keypoints, list) else shown(keypoints)
        region = keypoints is None and fixed.get("iscrowd")
        what = f"`{field}` is {given}, and not 3 × {count} = {3 * count} (x, y, visibility)"
        if field == "keypoints" and not region:
            yield Problem(where, what, _LEFT_OUT)
            return
        fixed[field] = [0] * (3 * count)
        yield Problem(where, what, "Set to not labelled")
    yield from _check_count(fixed, where)


def _are_sound(keypoints: list[Any], size: tuple[int, int], field: str) -> bool:
    """Whether all keypoints are numbers inside the image; quick."""
    xs, ys, visible = keypoints[0::3], keypoints[1::3], keypoints[2::3]
    if not keypoints:
        return True
    return (
        are_numbers(keypoints)
        and _LEVELS.issuperset(visible)
        and min(xs) >= 0
        and min(ys) >= 0
        and max(xs) <= size[1]
        and max(ys) <= size[0]
    )


_LEVELS = frozenset({0, 1, 2})


def _check_each(
    fixed: dict[str, Any], where: str, size: tuple[int, int], field: str
) -> Iterator[Problem]:
    keypoints = list(fixed[field])
    for k in range(len(keypoints) // 3):
        what, stops = _keypoint_problem(keypoints[3 * k : 3 * k + 3], size, field)
        if what:
            name = f"keypoint {k} of `{field}`"
            yield Problem(where, f"{name} {what}", "Set to not labelled", stops=stops)
            keypoints[3 * k : 3 * k + 3] = [0, 0, 0]
    fixed[field] = keypoints


def _keypoint_problem(keypoint: list[Any], size: tuple[int, int], field: str) -> tuple[str, bool]:
    """What is wrong, or nothing, and whether training or test would go wrong with it."""
    if not are_numbers(keypoint):
        return f"is {shown(keypoint)}, and not three numbers of pixels", True
    x, y, visible = keypoint
    # COCO-WholeBody says how sure it is of feet, face and hands
    if visible < 0 or (field == "keypoints" and visible not in _LEVELS):
        return f"has visibility {visible}, and not 0, 1 or 2", True
    height, width = size
    if visible and not (0 <= x <= width and 0 <= y <= height):
        return f"is at ({x}, {y}), outside the image of {width}×{height} pixels", False
    return "", False


def _check_count(fixed: dict[str, Any], where: str) -> Iterator[Problem]:
    """Whether ``num_keypoints`` is there; CrowdPose counts those that can be seen only."""
    visible = fixed["keypoints"][2::3]
    labelled, seen = sum(v > 0 for v in visible), sum(v == 2 for v in visible)
    given = fixed.get("num_keypoints")
    if given in (labelled, seen) and is_number(given):
        return
    fixed["num_keypoints"] = labelled
    what = f"`num_keypoints` is {shown(given)}, and {labelled} are labelled"
    stops = given is not None and not (is_number(given) and given >= 0 and given == int(given))
    yield Problem(where, what, f"Set to {labelled}", stops=stops)


def _check_box(
    fixed: dict[str, Any], where: str, size: tuple[int, int], needs_area: bool
) -> Iterator[Problem]:
    """Box and area; they follow from keypoints where they must."""
    box: Any = fixed.get("bbox")
    labelled = fixed["num_keypoints"] > 0
    are_four = isinstance(box, list) and len(box) == 4 and are_numbers(box)
    if not are_four or min(box[2:]) <= 0:
        fixed["bbox"], source = _box_of(fixed["keypoints"])
        # no one reads the size of the box of someone who is not labelled
        stops = not are_four or min(box[2:]) < 0 or labelled
        what = f"`bbox` is {shown(box)}, and not left, top, width and height above 0"
        yield Problem(where, what, f"Set {source}", stops=stops)
    elif labelled and not fixed.get("iscrowd") and _is_outside(box, size):
        (left, top, *sides), source = _box_of(fixed["keypoints"])
        fixed["bbox"] = [min(left, size[1] - 2), min(top, size[0] - 2), *sides]
        what = f"`bbox` is {shown(box)}, and nothing of it lies inside the image's last pixels"
        yield Problem(where, what, f"Set {source}", stops=False)
    area: Any = fixed.get("area")
    if type(area) in (int, float) and 0 < area < LARGEST**2:
        return
    fixed["area"] = float(fixed["bbox"][2] * fixed["bbox"][3])
    stops = needs_area if area is None else labelled or not (is_number(area) and area == 0)
    yield Problem(where, f"`area` is {shown(area)}", "Set from `bbox`", stops=stops)


def _is_outside(box: list[Any], size: tuple[int, int]) -> bool:
    """Whether nothing is left of a box that is cut to the image as MMPose cuts it."""
    left, top, width, height = box
    # of an image that is one pixel wide nothing would ever be left
    return min(size) > 1 and any(
        min(start + length, side - 1) <= max(start, 0)
        for start, length, side in ((left, width, size[1]), (top, height, size[0]))
    )


def _box_of(keypoints: list[Any]) -> tuple[list[Any], str]:
    xs = [x for x, visible in zip(keypoints[::3], keypoints[2::3]) if visible]
    ys = [y for y, visible in zip(keypoints[1::3], keypoints[2::3]) if visible]
    if not xs:
        return [0, 0, 1, 1], "to one pixel"
    sides = [max(1, max(xs) - min(xs)), max(1, max(ys) - min(ys))]
    return [min(xs), min(ys), *sides], "from the keypoints"


def _check_segmentation(
    fixed: dict[str, Any], where: str, size: tuple[int, int]
) -> Iterator[Problem]:
    """Regions of crowds and of people without keypoints are read; others only kept."""
    segmentation, crowd = fixed.get("segmentation"), bool(fixed.get("iscrowd"))
    if not segmentation:
        if crowd:
            fixed["segmentation"] = [_rectangle(fixed["bbox"], size)]
            what = "`segmentation` of a crowd is missing, so that it counts as background"
            yield Problem(where, what, "Set to `bbox`", stops=False)
        elif segmentation != [] and "segmentation" in fixed:
            fixed["segmentation"] = []
            what = f"`segmentation` is {shown(segmentation)}"
            yield Problem(where, what, "Left empty", stops=False)
        return
    what_is_wrong = segmentation_problem(segmentation, size)
    if what_is_wrong is None:
        return
    is_read = crowd or not fixed["num_keypoints"]
    stops = is_read and bool(segmentation_problem(without_empty_polygons(segmentation), size))
    fixed["segmentation"] = [_rectangle(fixed["bbox"], size)] if is_read else []
    fix = "Set to `bbox`" if is_read else "Left empty"
    yield Problem(where, f"`segmentation` {what_is_wrong}", fix, stops=stops)


def _rectangle(box: list[Any], size: tuple[int, int]) -> list[float]:
    """A box as a polygon, within the image."""
    left, right = (min(max(x, 0), size[1]) for x in (box[0], box[0] + box[2]))
    top, bottom = (min(max(y, 0), size[0]) for y in (box[1], box[1] + box[3]))
    return [left, top, right, top, right, bottom, left, bottom]
