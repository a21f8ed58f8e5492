"""What is wrong with the images of an annotation file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...images.files import ImageError, read_image
from .problem import LARGEST, Problem, is_id, shown


def checked_images(
    images: Sequence[dict[str, Any]], folder: Path | None
) -> Iterator[tuple[dict[str, Any], list[Problem], dict[str, Any] | None]]:
    """Each image's entry, its problems, and the fixed entry; None where it is left out.

    Args:
        images: Entries of a file of annotations.
        folder: Where the images are, which are read then; None: they are not looked at.

    Examples:
        >>> ((_, problems, fixed),) = checked_images([dict(id=2, file_name="")], folder=None)
        >>> print(*problems)
        image 2: `file_name` is '', and not a file's name. Left out, with its annotations.
    """
    names = defaultdict(list)
    for image in images:
        if is_id(image.get("id")):
            names[image["id"]].append(image.get("file_name"))
    seen: set[int] = set()
    for image in images:
        where = f"image {shown(image.get('id'))}"
        problem = _id_problem(image, where, names, seen) or _name_problem(image, where)
        if problem:
            yield image, [problem], None
            continue
        problems, fixed = _check_size(image, where, folder)
        yield image, problems, fixed


def _id_problem(
    image: dict[str, Any], where: str, names: dict[int, list[Any]], seen: set[int]
) -> Problem | None:
    own = image.get("id")
    if not is_id(own):
        return Problem(where, f"`id` is {shown(own)}, and not a whole number", _LEFT_OUT)
    assert isinstance(own, int)
    if any(name != names[own][0] for name in names[own]):
        what = f"`id` is that of {len(names[own])} images, so whose are its annotations?"
        return Problem(where, what, _LEFT_OUT)
    if own in seen:
        return Problem(where, "is there twice", "Left out once")
    seen.add(own)
    return None


_LEFT_OUT = "Left out, with its annotations"


def _name_problem(image: dict[str, Any], where: str) -> Problem | None:
    name = image.get("file_name")
    if isinstance(name, str) and name:
        return None
    return Problem(where, f"`file_name` is {shown(name)}, and not a file's name", _LEFT_OUT)


def _is_side(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < LARGEST and value == int(value)


def _check_size(
    image: dict[str, Any], where: str, folder: Path | None
) -> tuple[list[Problem], dict[str, Any] | None]:
    """Whether the size is said, and right where the image can be looked at."""
    given = (image.get("width"), image.get("height"))
    is_size = all(map(_is_side, given))
    if folder is None:
        if is_size:
            return [], image
        what = f"`width` and `height` are {shown(given[0])} and {shown(given[1])}"
        return [Problem(where, what, f"{_LEFT_OUT}; --images reads them from the image")], None
    path = folder / image["file_name"]
    try:
        size = read_image(path, given if is_size else None).shape[1::-1]
    except ImageError as error:
        return [Problem(where, str(error).rstrip("."), _LEFT_OUT)], None
    if is_size and given == size:
        return [], image
    width, height = size
    what = (
        f"`width` and `height` are {shown(given[0])} and {shown(given[1])}, and the image's are "
        f"{width} and {height}"
    )
    return [Problem(where, what, "Set from the image")], dict(image, width=width, height=height)
