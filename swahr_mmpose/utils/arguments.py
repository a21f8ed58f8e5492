"""Checks of arguments, with errors that name them and what was probably meant."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real
from typing import Any


def size_of(value: Any, name: str) -> tuple[int, int]:
    """(w, h) in whole pixels; a ValueError that names the argument where it is anything else.

    Examples:
        >>> size_of([64.0, 32], "input_size")
        (64, 32)
    """
    try:
        w, h = (int(side) for side in value)
        if [w, h] == list(value) and w > 0 and h > 0:
            return w, h
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"`{name}` must be (w, h) in whole pixels above 0, but is {value!r}.")


def short_side(value: Any) -> int:
    """The shorter side of an ``input_size`` that is one number of pixels, or a pair (w, h).

    Examples:
        >>> short_side(512), short_side((640, 512))
        (512, 512)
    """
    return min(size_of((value, value) if isinstance(value, Real) else value, "input_size"))


def range_of(value: Any, name: str) -> tuple[float, float]:
    """(low, high), both above 0 and finite; a ValueError where it is anything else."""
    try:
        low, high = value
        if 0 < low <= high < math.inf:
            return low, high
    except (TypeError, ValueError):
        pass
    raise ValueError(f"`{name}` must be a range (low, high) above 0, but is {value!r}.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names that are most like ``name``; empty if none is.

    Examples:
        >>> did_you_mean("higherhrnet_w32_coc", ["higherhrnet_w32_coco", "swahr_tiny_synthetic"])
        " Did you mean 'higherhrnet_w32_coco'?"
    """
    matches = get_close_matches(name, list(known), n=3)
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""
