"""Finds places for many people's missing keypoints at once, without scanning whole maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Pixels of neighbouring tags that are left out or compared together.
_BLOCK = 256

#: Blocks that are compared first; twice as many each time after.
_FIRST = 4


def tag_distance(tags: Sequence[np.ndarray], mean: np.ndarray) -> np.ndarray:
    """Euclidean distances of tags, L of (N,), to mean tags, (L, ...) that broadcast with (N,).

    Examples:
        >>> tag_distance([np.array([0.0, 3.0])], np.array([1.0])).tolist()
        [1.0, 2.0]
    """
    squared = (tags[0] - mean[0]) ** 2
    for own, center in zip(tags[1:], mean[1:]):
        squared += (own - center) ** 2
    return np.sqrt(squared)


def best_place(heatmap: np.ndarray, tags: Sequence[np.ndarray], mean: np.ndarray) -> int:
    """The first pixel of (H·W,) where heatmap − round(tag distance) is highest."""
    return int(np.argmax(heatmap - np.round(tag_distance(tags, mean))))


def best_places(heatmap: np.ndarray, tags: Sequence[np.ndarray], means: np.ndarray) -> np.ndarray:
    """The :func:`best_place` of many people, (M,) int, for ``means`` (M, L).

    Pixels are put in blocks, in the order of the tag that varies most. A block's highest value and
    the range of its tags bound what its pixels can score. Blocks are looked at from the highest
    bound on, until none can hold a better pixel: a pixel of any height costs one block.

    Examples:
        >>> heatmap, tags = np.array([0.2, 0.9, 0.8]), [np.array([0.0, 5.0, 0.3])]
        >>> best_places(heatmap, tags, means=np.array([[0.0], [5.0]])).tolist()
        [2, 1]
    """
    axis = int(np.argmax([tag.std() for tag in tags]))
    order = np.argsort(tags[axis])
    # the last pixel fills up the last block
    order = np.pad(order, (0, -len(order) % _BLOCK), mode="edge").reshape(-1, _BLOCK)
    values, sorted_tags = heatmap[order], [tag[order] for tag in tags]
    highest, first = values.max(axis=1), order.min(axis=1)
    lowest, uppermost = sorted_tags[axis][:, 0], sorted_tags[axis][:, -1]
    best = np.empty(len(means), np.int64)
    for index, mean in enumerate(means):
        gaps = np.maximum(lowest - mean[axis], mean[axis] - uppermost)
        bounds = highest - np.round(np.maximum(gaps, 0))
        most, pixel, count = -np.inf, len(heatmap), _FIRST
        blocks = np.array([bounds.argmax()])
        while len(blocks):
            own_tags = [tag[blocks] for tag in sorted_tags]
            scores = values[blocks] - np.round(tag_distance(own_tags, mean))
            high = scores.max()
            if high >= most:
                own = order[blocks][scores == high].min()
                pixel, most = own if high > most else min(own, pixel), high
            bounds[blocks] = -np.inf
            blocks = np.flatnonzero((bounds > most) | ((bounds == most) & (first < pixel)))
            blocks = blocks[np.lexsort((first[blocks], -bounds[blocks]))[:count]]
            count *= 2
        best[index] = pixel
    return best
