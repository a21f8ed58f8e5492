"""Refines keypoints to sub-pixel places, and fills in missing ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .tag_search import best_place, best_places, tag_distance

#: Missing keypoints are looked for among these shares of the pixels, the highest ones, in turn.
_SHARES = (1 / 1024, 1 / 64, 1 / 8)

#: Every so many pixels one is read to find out how high the highest are.
_SAMPLED = 61

#: Pixels times people that are compared at a time: bounds the memory.
_CHUNK = 1 << 18

#: So many are compared at most before pixels are put in order instead.
_MOST_PAIRS = 1 << 21

#: Up to so many people, looking at all pixels is faster than putting them in order.
_FEW = 8


def quarter_offset(heatmaps: np.ndarray, k: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A quarter pixel towards the higher neighbour on each axis, (M, 2).

    Neighbours beyond the border are the border pixel itself; a tie goes to the lower coordinate
    (official implementation).

    Args:
        heatmaps: (K, H, W).
        k: (M,) int, the keypoint of each entry.
        x: (M,) int, its column in map pixels.
        y: (M,) int, its row in map pixels.

    Examples:
        >>> heatmaps = np.array([[[0.1, 0.9, 0.3]]])
        >>> quarter_offset(heatmaps, np.array([0]), np.array([1]), np.array([0])).tolist()
        [[0.25, -0.25]]
    """
    _, h, w = heatmaps.shape
    right, left = heatmaps[k, y, np.minimum(x + 1, w - 1)], heatmaps[k, y, np.maximum(x - 1, 0)]
    below, above = heatmaps[k, np.minimum(y + 1, h - 1), x], heatmaps[k, np.maximum(y - 1, 0), x]
    return np.stack([np.where(right > left, 0.25, -0.25), np.where(below > above, 0.25, -0.25)], -1)


def adjust_keypoints(people: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Move found keypoints by a quarter pixel to the higher side, then to the pixel's centre.

    Args:
        people: (P, K, 3), x and y in map pixels and the score; score 0 where missing.
        heatmaps: (K, H, W).

    Returns:
        A new array of the same shape; missing keypoints stay as they are.

    Examples:
        >>> adjust_keypoints(np.array([[[1, 0, 0.9]]]), np.array([[[0.1, 0.9, 0.3]]])).tolist()
        [[[1.75, 0.25, 0.9]]]
    """
    adjusted = people.copy()
    person, k = np.nonzero(people[..., 2] > 0)
    x, y = people[person, k, :2].astype(np.int64).T
    adjusted[person, k, :2] += quarter_offset(heatmaps, k, x, y) + 0.5
    return adjusted


def fill_missing_keypoints(
    people: np.ndarray, heatmaps: np.ndarray, tags: np.ndarray
) -> np.ndarray:
    """Give each missing keypoint the place where the heatmap less the tag distance is highest.

    The tag distance is that to the person's mean tag, rounded. A place whose heatmap value is not
    positive is not used.

    Args:
        people: (P, K, 3), adjusted keypoints (x, y in map pixels, score); score 0 where missing.
        heatmaps: (K, H, W).
        tags: (L, K, H, W).

    Returns:
        A new array of the same shape.

    Examples:
        >>> heatmaps, tags = np.array([[[0.9, 0.0]], [[0.0, 0.5]]]), np.zeros((1, 2, 1, 2))
        >>> people = np.array([[[0.5, 0.5, 0.9], [0, 0, 0]]])
        >>> fill_missing_keypoints(people, heatmaps, tags).tolist()
        [[[0.5, 0.5, 0.9], [1.75, 0.25, 0.5]]]
    """
    filled = people.copy()
    width = heatmaps.shape[2]
    person, k = np.nonzero(people[..., 2] > 0)
    x, y = people[person, k, :2].astype(np.int64).T
    means = mean_tags(person, tags[:, k, y, x])
    for k in np.flatnonzero((people[..., 2] == 0).any(axis=0)):
        missing = np.flatnonzero(people[:, k, 2] == 0)
        flat_tags = [tag.reshape(-1) for tag in tags[:, k]]
        pixels = _best_pixels(heatmaps[k].reshape(-1), flat_tags, means[missing])
        y, x = pixels // width, pixels % width
        scores = heatmaps[k, y, x]
        places = np.stack([x, y], axis=-1) + 0.5
        places += quarter_offset(heatmaps, np.full_like(x, k), x, y)
        found = scores > 0
        filled[missing[found], k, :2] = places[found]
        filled[missing[found], k, 2] = scores[found]
    return filled


def mean_tags(person: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """The mean tag of each person's found keypoints, (P, L).

    Args:
        person: (M,) int, whose each found keypoint is, in order; everyone has one.
        tags: (L, M), their tags.

    Examples:
        >>> mean_tags(np.array([0, 0, 1]), np.array([[1.0, 2.0, 5.0]])).tolist()
        [[1.5], [5.0]]
    """
    tags, counts = np.ascontiguousarray(tags.T), np.bincount(person)
    means, starts = np.empty((len(counts), tags.shape[1]), tags.dtype), counts.cumsum() - counts
    for count in np.unique(counts):
        # people of as many keypoints together: the same means as one by one, to the last bit
        own = np.flatnonzero(counts == count)
        means[own] = tags[starts[own, None] + np.arange(count)].mean(axis=1)
    return means


def _best_pixels(heatmap: np.ndarray, tags: Sequence[np.ndarray], means: np.ndarray) -> np.ndarray:
    """For each mean tag the first pixel where heatmap − round(tag distance) is highest.

    The highest pixel at a distance that rounds to 0 is looked for first, where it most likely is.
    All others cost 1 at least: only those that are higher by 1 or more can outweigh it.

    Args:
        heatmap: (H·W,).
        tags: L of (H·W,).
        means: (M, L).
    """
    best = np.full(len(means), -1)
    for pixels, values in _highest_first(heatmap):
        missing = np.flatnonzero(best < 0)
        if not len(missing) or len(missing) * len(pixels) > _MOST_PAIRS:
            break
        own_tags = [tag.take(pixels) for tag in tags]
        for own in np.array_split(missing, -(-len(missing) * len(pixels) // _CHUNK) or 1):
            near = tag_distance(own_tags, means[own].T[..., None]) <= 0.5
            first = np.where(near, values, -np.inf).argmax(axis=1)
            best[own] = np.where(near.any(axis=1), pixels[first], -1)
    outweighed = (best >= 0) & (heatmap[best] <= heatmap.max() - 1)
    missing = np.flatnonzero((best < 0) | outweighed)
    if len(missing) > _FEW:
        best[missing] = best_places(heatmap, tags, means[missing])
    else:
        best[missing] = [best_place(heatmap, tags, mean) for mean in means[missing]]
    return best


def _highest_first(heatmap: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """More and more of the highest pixels, in order of place, and their values."""
    sample = np.sort(heatmap[::_SAMPLED])[::-1]
    fewest, few, many = (
        (sample[int(share * len(sample))], 1 + int(share * len(heatmap))) for share in _SHARES
    )
    # reading a whole map is what takes the time: the first set is a part of the second
    pixels = _over(heatmap, *few)
    values = heatmap.take(pixels)
    part = _over(values, *fewest)
    yield pixels[part], values[part]
    yield pixels, values
    pixels = _over(heatmap, *many)
    yield pixels, heatmap.take(pixels)


def _over(values: np.ndarray, bound: float, count: int) -> np.ndarray:
    """Where values are over a bound; where a plateau leaves far too few, also its first pixels."""
    over = np.flatnonzero(values > bound)
    if len(over) > count // 2:
        return over
    equal = np.flatnonzero(values == bound)[: count - len(over)]
    return np.sort(np.concatenate([over, equal]))
