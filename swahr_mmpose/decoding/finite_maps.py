"""Checks maps for NaN and infinity: an error, not an image without people."""

from __future__ import annotations

import numpy as np


class NotFiniteError(ValueError):
    """Maps of a network that hold NaN or infinity; the message says which, and what to do.

    Examples:
        >>> check_finite("heatmaps", np.full((17, 8, 8), np.nan))
        Traceback (most recent call last):
            ...
        swahr_mmpose.decoding.finite_maps.NotFiniteError: 17 of the network's 17 heatmaps hold ...
    """


def check_finite(name: str, maps: np.ndarray) -> None:
    """Raise a NotFiniteError unless all values of maps (N, H, W) are finite, and their sums."""
    # a sum is NaN or infinite where anything in it is, and takes one pass without a copy
    with np.errstate(over="ignore", invalid="ignore"):
        total = maps.sum(dtype=np.float32)
    # sums of larger values, over a person's keypoints, would be infinite
    if np.isfinite(total) or (usable := np.abs(maps) < 2e36).all():
        return
    broken = np.flatnonzero(~usable.reshape(len(maps), -1).all(axis=1))
    raise NotFiniteError(
        f"{len(broken)} of the network's {len(maps)} {name} hold NaN or infinity, or numbers "
        "too large to add up, so that people can't be read from them. Either the weights are those "
        "of a training that diverged (use an earlier checkpoint), the image holds NaN, or half "
        "precision overflowed (use float32 or bfloat16)."
    )
