"""Finds places for many people's missing keypoints at once, without scanning whole maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Pixels that are compared first on either side of a person in the order of tags.
_FIRST = 64

#: What rounding in float32 may add to a distance, relative.
_MARGIN = 1 + 1e-5


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

    Pixels are put in the order of the tag that varies most. A pixel that is further away in it
    than the heatmap's highest value can make up for is not looked at.

    Examples:
        >>> heatmap, tags = np.array([0.2, 0.9, 0.8]), [np.array([0.0, 5.0, 0.3])]
        >>> best_places(heatmap, tags, means=np.array([[0.0], [5.0]])).tolist()
        [2, 1]
    """
    axis = int(np.argmax([tag.std() for tag in tags]))
    order = np.argsort(tags[axis])
    values, sorted_tags = heatmap[order], [tag[order] for tag in tags]
    keys = sorted_tags[axis]
    highest = heatmap.max()
    best = np.empty(len(means), np.int64)
    for index, (mean, middle) in enumerate(zip(means, np.searchsorted(keys, means[:, axis]))):
        first = slice(max(middle - _FIRST, 0), middle + _FIRST)
        least = _scores(values, sorted_tags, first, mean).max()
        reach = (np.floor(float(highest) - float(least)) + 0.5) * _MARGIN
        # in float32: a search for a wider type would copy all keys
        lowest = np.nextafter(np.float32(mean[axis] - reach), np.float32(-np.inf))
        uppermost = np.nextafter(np.float32(mean[axis] + reach), np.float32(np.inf))
        near = slice(
            min(first.start, int(np.searchsorted(keys, lowest))),
            max(first.stop, int(np.searchsorted(keys, uppermost, side="right"))),
        )
        scores = _scores(values, sorted_tags, near, mean)
        best[index] = order[near][scores == scores.max()].min()
    return best


def _scores(
    values: np.ndarray, tags: Sequence[np.ndarray], near: slice, mean: np.ndarray
) -> np.ndarray:
    """Heatmap − round(tag distance) in a part of the pixels."""
    scores: np.ndarray = values[near] - np.round(tag_distance([tag[near] for tag in tags], mean))
    return scores
