"""Checks the image entries of an annotation file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...images.files import ImageError, read_image
from .problem import LARGEST, Checked, Problem, is_id, shown

_LEFT_OUT = "Left out, with its annotations"


def checked_images(images: Sequence[dict[str, Any]], folder: Path | None) -> Iterator[Checked]:
    """Each image's entry, checked.

    Args:
        images: Entries of an annotation file.
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
    ambiguous = {own for own, all_ in names.items() if any(name != all_[0] for name in all_)}
    seen: set[int] = set()
    for image in images:
        own: Any = image.get("id")
        name, where, fix = image.get("file_name"), f"image {shown(own)}", _LEFT_OUT
        if not is_id(own):
            what = f"`id` is {shown(own)}, and not a whole number"
        elif own in ambiguous:
            what = f"`id` is that of {len(names[own])} images, so whose are its annotations?"
        elif own in seen:
            what, fix = "is listed twice", "Left out once"
        elif not (isinstance(name, str) and name):
            what = f"`file_name` is {shown(name)}, and not a file's name"
        else:
            seen.add(own)
            yield _with_size(image, where, folder)
            continue
        yield Checked(image, [Problem(where, what, fix)], None)


def _with_size(image: dict[str, Any], where: str, folder: Path | None) -> Checked:
    """The entry with a size: the one it says, unless the image can be looked at."""
    name = image["file_name"]
    if "\\" in name and not (folder and (folder / name).is_file()):
        fixed = dict(image, file_name=name.replace("\\", "/"))
        what = f"`file_name` is {shown(name)}, with separators of Windows"
        problem = Problem(where, what, f"Set to {shown(fixed['file_name'])}", stops=False)
        checked = _with_size(fixed, where, folder)
        return Checked(image, [problem, *checked.problems], checked.fixed)
    given = (image.get("width"), image.get("height"))
    is_size = all(map(_is_side, given))
    what = f"`width` and `height` are {shown(given[0])} and {shown(given[1])}"
    if folder is None:
        if is_size:
            return Checked(image, [], image)
        fix = f"{_LEFT_OUT}; --images reads them from the image"
        return Checked(image, [Problem(where, what, fix)], None)
    try:
        content = read_image(folder / image["file_name"], given if is_size else None)
    except ImageError as error:
        return Checked(image, [Problem(where, str(error).rstrip("."), _LEFT_OUT)], None)
    height, width = content.shape[:2]
    if is_size and given == (width, height):
        return Checked(image, [], image)
    problem = Problem(
        where, f"{what}, and the image's are {width} and {height}", "Set from the image"
    )
    return Checked(image, [problem], dict(image, width=width, height=height))


def _is_side(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < LARGEST and value == int(value)
