"""Checks COCO segmentations before a C library reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .problem import are_numbers, shown


def segmentation_problem(segmentation: Any, size: tuple[int, int]) -> str | None:
    """What is wrong with a segmentation; None if nothing is.

    Run lengths that do not add up to the image, and polygons with coordinates that are no
    numbers, make pycocotools read and write beyond its memory.

    Args:
        segmentation: Polygons, or run lengths, plain or compressed.
        size: (h, w) of the image.

    Examples:
        >>> segmentation_problem([[0, 0, 5, 0]], (48, 64))
        'has a polygon of 4 numbers; it takes 6 at least, two for each corner'
    """
    if isinstance(segmentation, dict):
        return _run_length_problem(segmentation, size)
    if isinstance(segmentation, list):
        return next(filter(None, (_polygon_problem(own, size) for own in segmentation)), None)
    return f"is {type(segmentation).__name__}, and neither polygons nor run lengths"


def without_empty_polygons(segmentation: Any) -> Any:
    """A segmentation without the polygons that have no corner, which cover nothing.

    Examples:
        >>> without_empty_polygons([[], [0, 0, 5, 0, 5, 5]])
        [[0, 0, 5, 0, 5, 5]]
    """
    if not isinstance(segmentation, list):
        return segmentation
    return [polygon for polygon in segmentation if polygon != []]


def _polygon_problem(polygon: Any, size: tuple[int, int]) -> str | None:
    if not isinstance(polygon, list):
        return f"has a polygon that is {type(polygon).__name__} and not a list of numbers"
    if len(polygon) < 6 or len(polygon) % 2:
        return f"has a polygon of {len(polygon)} numbers; it takes 6 at least, two for each corner"
    if not are_numbers(polygon):
        return "has a polygon with coordinates that are no numbers of pixels"
    # the library's memory grows with the length of the outline
    for places, side in ((polygon[0::2], size[1]), (polygon[1::2], size[0])):
        if min(places) < -side or max(places) > 2 * side:
            return (
                f"has a polygon from {min(places):g} to {max(places):g} pixels, far outside the "
                f"image's {side}"
            )
    return None


def _run_length_problem(segmentation: dict[str, Any], size: tuple[int, int]) -> str | None:
    given = segmentation.get("size")
    if not isinstance(given, (list, tuple)) or list(given) != list(size):
        return f"has `size` {shown(given)}, and the image is {list(size)}"
    counts = segmentation.get("counts")
    if isinstance(counts, (str, bytes)):
        counts = _decompress(counts)
        if counts is None:
            return "has compressed `counts` that can't be read"
    if not isinstance(counts, list) or not {int}.issuperset(map(type, counts)):
        return "has `counts` that are no list of whole numbers"
    if min(counts, default=0) < 0:
        return "has negative `counts`"
    if sum(counts) != size[0] * size[1]:
        return f"has `counts` for {sum(counts)} pixels, and the image has {size[0] * size[1]}"
    return None


def _decompress(text: str | bytes) -> Sequence[int] | None:
    """COCO's run lengths: base 32 digits, the lowest first, from the third run on differences."""
    digits = text.encode("ascii", "replace") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for digit in digits:
        digit -= 48
        if not 0 <= digit < 64 or shift > 30:
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
