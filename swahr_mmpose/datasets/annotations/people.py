"""Checks annotations of people, and fixes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .problem import LARGEST, Checked, Problem, are_numbers, is_id, is_number, shown
from .segmentation import segmentation_problem, without_empty_polygons

_LEVELS = frozenset({0, 1, 2})


@dataclass(frozen=True)
class Expected:
    """What annotations are checked against.

    Attributes:
        sizes: (h, w) of each image, by id.
        people: Id of the category of people.
        fields: The fields that hold keypoints, and how many each holds.
        needs_area: Whether evaluation reads areas.
    """

    sizes: Mapping[int, tuple[int, int]]
    people: int
    fields: Mapping[str, int]
    needs_area: bool = False


@dataclass
class _Person:
    """An annotation that is fixed field by field, and what was wrong."""

    fixed: dict[str, Any]
    where: str
    size: tuple[int, int]
    problems: list[Problem] = field(default_factory=list)

    def put(self, name: str, value: Any, what: str, fix: str, stops: bool = True) -> None:
        """Set a field, and say why."""
        self.fixed[name] = value
        self.problems.append(Problem(self.where, what, fix, stops=stops))

    @property
    def is_crowd(self) -> bool:
        return bool(self.fixed.get("iscrowd"))

    @property
    def is_labelled(self) -> bool:
        return bool(self.fixed["num_keypoints"] > 0)


def checked_annotations(annotations: list[dict[str, Any]], expected: Expected) -> Iterator[Checked]:
    """Each annotation, checked; the fixed ones are of category 1.

    Examples:
        >>> expected = Expected({1: (48, 64)}, people=1, fields=dict(keypoints=17))
        >>> person = dict(id=5, image_id=9, category_id=1)
        >>> ((_, problems, fixed),) = checked_annotations([person], expected)
        >>> print(*problems)
        annotation 5: `image_id` 9 is that of no image. Left out.
    """
    seen: set[int] = set()
    free = max((own["id"] for own in annotations if is_id(own.get("id"))), default=0) + 1
    for annotation in annotations:
        own: Any = annotation.get("id")
        where = f"annotation {shown(own)}"
        problems, fixed = _fixed(annotation, where, expected)
        if is_id(own) and own not in seen:
            seen.add(own)
        else:
            what = f"`id` is {'that of another' if is_id(own) else 'no whole number'}"
            problems = [Problem(where, what, f"Set to {free}" if fixed else "Left out"), *problems]
            if fixed:
                fixed["id"] = free
                free += 1
        yield Checked(annotation, problems, fixed)


def _fixed(
    annotation: dict[str, Any], where: str, expected: Expected
) -> tuple[list[Problem], dict[str, Any] | None]:
    hopeless = _reason_to_leave_out(annotation, expected)
    if hopeless:
        return [Problem(where, hopeless, "Left out")], None
    size = expected.sizes[annotation["image_id"]]
    person = _Person(dict(annotation, category_id=1), where, size)
    _fix_crowd(person)
    for name, count in expected.fields.items():
        _fix_keypoints(person, name, count)
    _fix_count(person)
    _fix_box(person)
    _fix_area(person, expected.needs_area)
    _fix_segmentation(person)
    return person.problems, person.fixed


def _reason_to_leave_out(annotation: dict[str, Any], expected: Expected) -> str | None:
    image_id, category = annotation.get("image_id"), annotation.get("category_id")
    if not is_id(image_id) or image_id not in expected.sizes:
        return f"`image_id` {shown(image_id)} is that of no image"
    if category != expected.people:
        return f"`category_id` {shown(category)} is that of no category"
    keypoints = annotation.get("keypoints")
    if keypoints is None and annotation.get("iscrowd") == 1:
        return None
    return _length_problem("keypoints", keypoints, expected.fields["keypoints"])


def _length_problem(name: str, keypoints: Any, count: int) -> str | None:
    is_list = isinstance(keypoints, list)
    if is_list and len(keypoints) == 3 * count:
        return None
    given = f"{len(keypoints)} numbers" if is_list else shown(keypoints)
    return f"`{name}` is {given}, and not 3 × {count} = {3 * count} (x, y, visibility)"


def _fix_crowd(person: _Person) -> None:
    crowd = person.fixed.get("iscrowd", 0)
    if crowd not in (0, 1):
        person.put("iscrowd", 0, f"`iscrowd` is {shown(crowd)}, and not 0 or 1", "Set to 0")


def _fix_keypoints(person: _Person, name: str, count: int) -> None:
    keypoints: Any = person.fixed.get(name)
    wrong_length = _length_problem(name, keypoints, count)
    if wrong_length:
        person.put(name, [0] * (3 * count), wrong_length, "Set to not labelled")
    elif not _are_sound(keypoints, person.size):
        keypoints = list(keypoints)
        for k in range(count):
            what, stops = _keypoint_problem(keypoints[3 * k : 3 * k + 3], person.size, name)
            if what:
                keypoints[3 * k : 3 * k + 3] = [0, 0, 0]
                what = f"keypoint {k} of `{name}` {what}"
                person.put(name, keypoints, what, "Set to not labelled", stops)


def _are_sound(keypoints: list[Any], size: tuple[int, int]) -> bool:
    """Whether all keypoints are numbers inside the image; quick."""
    xs, ys, visible = keypoints[0::3], keypoints[1::3], keypoints[2::3]
    return (
        are_numbers(keypoints)
        and _LEVELS.issuperset(visible)
        and min(xs) >= 0
        and min(ys) >= 0
        and max(xs) <= size[1]
        and max(ys) <= size[0]
    )


def _keypoint_problem(keypoint: list[Any], size: tuple[int, int], name: str) -> tuple[str, bool]:
    """What is wrong, or nothing, and whether training or test would go wrong with it."""
    if not are_numbers(keypoint):
        return f"is {shown(keypoint)}, and not three numbers of pixels", True
    x, y, visible = keypoint
    # COCO-WholeBody says how sure it is of feet, face and hands
    if visible < 0 or (name == "keypoints" and visible not in _LEVELS):
        return f"has visibility {visible}, and not 0, 1 or 2", True
    height, width = size
    if visible and not (0 <= x <= width and 0 <= y <= height):
        return f"is at ({x}, {y}), outside the image of {width}×{height} pixels", False
    return "", False


def _fix_count(person: _Person) -> None:
    """Those that are labelled; CrowdPose counts those that can be seen only."""
    visible = person.fixed["keypoints"][2::3]
    labelled, seen = sum(v > 0 for v in visible), sum(v == 2 for v in visible)
    given: Any = person.fixed.get("num_keypoints")
    if not is_number(given) or given not in (labelled, seen):
        what = f"`num_keypoints` is {shown(given)}, and {labelled} are labelled"
        is_count = is_number(given) and given >= 0 and given == int(given)
        stops = given is not None and not is_count
        person.put("num_keypoints", labelled, what, f"Set to {labelled}", stops)


def _fix_box(person: _Person) -> None:
    box: Any = person.fixed.get("bbox")
    height, width = person.size
    is_box = isinstance(box, list) and len(box) == 4 and are_numbers(box)
    if not is_box or min(box[2:]) <= 0:
        better, source = _box_of(person.fixed["keypoints"])
        # no one reads the size of the box of someone who is not labelled
        stops = not is_box or min(box[2:]) < 0 or person.is_labelled
        what = f"`bbox` is {shown(box)}, and not left, top, width and height above 0"
        person.put("bbox", better, what, f"Set {source}", stops)
    elif person.is_labelled and not person.is_crowd and _is_outside(box, person.size):
        (left, top, *sides), source = _box_of(person.fixed["keypoints"])
        better = [min(left, width - 2), min(top, height - 2), *sides]
        what = f"`bbox` is {shown(box)}, and nothing of it lies inside the image's last pixels"
        person.put("bbox", better, what, f"Set {source}", stops=False)


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


def _fix_area(person: _Person, is_needed: bool) -> None:
    area: Any = person.fixed.get("area")
    if type(area) in (int, float) and 0 < area < LARGEST**2:
        return
    harmless = not person.is_labelled and is_number(area) and area == 0
    stops = is_needed if area is None else not harmless
    _, _, width, height = person.fixed["bbox"]
    what = f"`area` is {shown(area)}"
    person.put("area", float(width * height), what, "Set from `bbox`", stops)


def _fix_segmentation(person: _Person) -> None:
    """Regions of crowds and of people without keypoints are read; others only kept."""
    segmentation = person.fixed.get("segmentation")
    is_read, stops = person.is_crowd or not person.is_labelled, False
    if segmentation:
        what = segmentation_problem(segmentation, person.size)
        if what is None:
            return
        visible = without_empty_polygons(segmentation)
        stops = is_read and segmentation_problem(visible, person.size) is not None
    elif person.is_crowd:
        what = "of a crowd is missing, so that it counts as background"
    elif segmentation != [] and "segmentation" in person.fixed:
        what, is_read = f"is {shown(segmentation)}", False
    else:
        return
    better = [_rectangle(person.fixed["bbox"], person.size)] if is_read else []
    fix = "Set to `bbox`" if is_read else "Left empty"
    person.put("segmentation", better, f"`segmentation` {what}", fix, stops)


def _rectangle(box: list[Any], size: tuple[int, int]) -> list[float]:
    """A box as a polygon, within the image."""
    left, right = (min(max(x, 0), size[1]) for x in (box[0], box[0] + box[2]))
    top, bottom = (min(max(y, 0), size[0]) for y in (box[1], box[1] + box[3]))
    return [left, top, right, top, right, bottom, left, bottom]
