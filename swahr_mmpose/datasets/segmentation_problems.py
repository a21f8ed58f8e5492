"""What is wrong with a COCO segmentation, before a library in C reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

#: Coordinates beyond this are no pixels of any picture.
LARGEST = 1e6


def segmentation_problem(segmentation: Any, size: tuple[int, int]) -> str | None:
    """What is wrong with a segmentation; None if nothing is.

    Run lengths that do not add up to the picture, and polygons with coordinates that are no
    numbers, make pycocotools read and write beyond its memory.

    Args:
        segmentation: Polygons, or run lengths, plain or compressed.
        size: (h, w) of the picture.
    """
    if isinstance(segmentation, dict):
        return _run_length_problem(segmentation, size)
    if isinstance(segmentation, list):
        return next(filter(None, map(_polygon_problem, segmentation)), None)
    return f"is {type(segmentation).__name__}, and neither polygons nor run lengths"


def _polygon_problem(polygon: Any) -> str | None:
    if not isinstance(polygon, list):
        return f"has a polygon that is {type(polygon).__name__} and not a list of numbers"
    if len(polygon) < 6 or len(polygon) % 2:
        return f"has a polygon of {len(polygon)} numbers; it takes 6 at least, two for each corner"
    if not all(is_number(value) and abs(value) < LARGEST for value in polygon):
        return "has a polygon with coordinates that are no numbers of pixels"
    return None


def _run_length_problem(segmentation: dict[str, Any], size: tuple[int, int]) -> str | None:
    if list(segmentation.get("size") or []) != list(size):
        return f"has `size` {segmentation.get('size')!r}, and the picture is {list(size)}"
    counts = segmentation.get("counts")
    if isinstance(counts, (str, bytes)):
        counts = _decompress(counts)
        if counts is None:
            return "has compressed `counts` that can't be read"
    if not isinstance(counts, list) or not all(isinstance(count, int) for count in counts):
        return "has `counts` that are no list of whole numbers"
    if min(counts, default=0) < 0:
        return "has negative `counts`"
    if sum(counts) != size[0] * size[1]:
        return f"has `counts` for {sum(counts)} pixels, and the picture has {size[0] * size[1]}"
    return None


def _decompress(text: str | bytes) -> Sequence[int] | None:
    """COCO's run lengths: base 32 digits, the lowest first, from the third run on differences."""
    digits = text.encode("ascii", "replace") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for digit in digits:
        digit -= 48
        if not 0 <= digit < 64:
            return None
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return None if shift else counts


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
