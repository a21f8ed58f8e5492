"""Sub-pixel adjustment of grouped keypoints, and filling in those that are missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Pixels in which all people are looked for at once.
_TOP = 1024

#: Tags farther apart than this are at a distance that rounds to 1 at least.
_HALF = 0.51

#: Picking out more pixels than this takes longer than reading the whole map in its order.
_MOST = 1 << 14

#: From so many people on, sorting the tags once is faster than a look at all for each.
_WORTH_SORTING = 8


def quarter_offset(heatmaps: np.ndarray, k: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A quarter pixel towards the higher neighbour on each axis, (M, 2).

    Neighbours beyond the border are the border pixel itself; a tie goes to the lower coordinate
    (official implementation).

    Args:
        heatmaps: (K, H, W).
        k: (M,) int, the keypoint of each entry.
        x: (M,) int, its column in map pixels.
        y: (M,) int, its row in map pixels.
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
    """
    adjusted = people.copy()
    person, k = np.nonzero(people[..., 2] > 0)
    x, y = people[person, k, :2].astype(np.int64).T
    adjusted[person, k, :2] += quarter_offset(heatmaps, k, x, y) + 0.5
    return adjusted


def fill_missing_keypoints(
    people: np.ndarray, heatmaps: np.ndarray, tags: np.ndarray, threshold: float
) -> np.ndarray:
    """Give each missing keypoint the place where the heatmap less the tag distance is highest.

    The tag distance is that to the person's mean tag, rounded. A place whose heatmap value is not
    positive is not used. The result does not depend on ``threshold``.

    Args:
        people: (P, K, 3), adjusted keypoints (x, y in map pixels, score); score 0 where missing.
        heatmaps: (K, H, W).
        tags: (L, K, H, W).
        threshold: The detection threshold: most missing keypoints are found among the pixels
            over it.

    Returns:
        A new array of the same shape.
    """
    filled = people.copy()
    width = heatmaps.shape[2]
    means = _mean_tags(people, tags)
    for k in np.flatnonzero((people[..., 2] == 0).any(axis=0)):
        missing = np.flatnonzero(people[:, k, 2] == 0)
        pixels = _best_pixels(heatmaps[k].reshape(-1), tags[:, k], means[missing], threshold)
        y, x = pixels // width, pixels % width
        scores = heatmaps[k, y, x]
        places = np.stack([x, y], axis=-1) + 0.5
        places += quarter_offset(heatmaps, np.full_like(x, k), x, y)
        found = scores > 0
        filled[missing[found], k, :2] = places[found]
        filled[missing[found], k, 2] = scores[found]
    return filled


def _mean_tags(people: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """The mean tag of each person's found keypoints, (P, L)."""
    means = np.zeros((len(people), len(tags)), tags.dtype)
    for person, mean in zip(people, means):
        found = np.flatnonzero(person[:, 2] > 0)
        x, y = person[found, :2].astype(np.int64).T
        mean[:] = np.mean(tags[:, found, y, x].T, axis=0)
    return means


def _best_pixels(
    heatmap: np.ndarray, tags: np.ndarray, means: np.ndarray, threshold: float
) -> np.ndarray:
    """For each mean tag the first pixel where heatmap − round(tag distance) is highest.

    The highest pixel at a distance that rounds to 0 is looked for first, where it most likely is.
    All others cost 1 at least: only those that are higher by more than 1 can outweigh it.

    Args:
        heatmap: (H·W,).
        tags: (L, H, W).
        means: (M, L).
        threshold: The detection threshold: most are found among the pixels over it.
    """
    flat_tags = tags.reshape(len(tags), -1)
    pixels = np.flatnonzero(heatmap > threshold)
    highest = _highest(heatmap, pixels)
    best = _first_near(highest, flat_tags[:, highest], means)
    # most are found by now, and nearly all others a little below the threshold
    _find_near(best, heatmap, flat_tags, means, pixels)
    if (best < 0).any():
        _find_near(best, heatmap, flat_tags, means, np.flatnonzero(heatmap > threshold / 4))
    if (best < 0).any():
        _find_near(best, heatmap, flat_tags, means, None)
    for person in np.flatnonzero(best < 0):
        best[person] = np.argmax(heatmap - np.round(_distance(flat_tags, means[person])))
    _prefer_higher(best, heatmap, flat_tags, means)
    return best


def _find_near(
    best: np.ndarray,
    heatmap: np.ndarray,
    tags: np.ndarray,
    means: np.ndarray,
    pixels: np.ndarray | None,
) -> None:
    """Where ``best`` (M,) is −1, write the highest of the pixels whose distance rounds to 0.

    They must be all pixels over some value; None is the whole map. Where too many come into
    question, nothing is written.
    """
    still_open = np.flatnonzero(best < 0)
    first = tags[0] if pixels is None else tags[0, pixels]
    for person, near in zip(still_open, _near(first, means[still_open, 0])):
        if len(near) > _MOST:
            continue
        own = near if pixels is None else pixels[near]
        own = np.sort(own[_distance(tags[:, own], means[person]) <= 0.5])
        if len(own):
            best[person] = own[heatmap[own].argmax()]


def _prefer_higher(
    best: np.ndarray, heatmap: np.ndarray, tags: np.ndarray, means: np.ndarray
) -> None:
    """Replace places in ``best`` (M,) by pixels that are higher by more than their distance."""
    values = heatmap[best]
    rivals = np.flatnonzero(heatmap > values.min() + 1)
    rivals = rivals[np.argsort(-heatmap[rivals], kind="stable")]
    counts = np.searchsorted(-heatmap[rivals], -(values + 1))
    for person in np.flatnonzero(counts):
        own = rivals[: counts[person]]
        scored = heatmap[own] - np.round(_distance(tags[:, own], means[person]))
        top = scored.max()
        if top > values[person]:
            best[person] = own[scored == top].min()


def _highest(heatmap: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The first :data:`_TOP` of the pixels in order of their values, equal ones by place."""
    values = heatmap[pixels]
    if len(pixels) > _TOP:
        kept = np.argpartition(-values, _TOP)[:_TOP]
        pixels, values = pixels[kept], values[kept]
    return pixels[np.lexsort((pixels, -values))]


def _first_near(pixels: np.ndarray, tags: np.ndarray, means: np.ndarray) -> np.ndarray:
    """For each mean (M, L) the first of the pixels whose tag (L, P) is at a distance that rounds to
    0; −1 where there is none.
    """
    if not len(pixels):
        return np.full(len(means), -1)
    squared = sum((tag - mean[:, None]) ** 2 for tag, mean in zip(tags, means.T))
    near = np.sqrt(squared) <= 0.5
    return np.where(near.any(axis=1), pixels[near.argmax(axis=1)], -1)


def _near(tags: np.ndarray, means: np.ndarray) -> Iterator[np.ndarray]:
    """For each mean the indices of the tags at most half a tag away, and a little for rounding."""
    if len(means) < _WORTH_SORTING:
        for mean in means:
            yield np.flatnonzero(np.abs(tags - mean) <= _HALF)
        return
    order = np.argsort(tags)
    ordered = tags[order]
    for first, last in zip(*(np.searchsorted(ordered, means + side) for side in (-_HALF, _HALF))):
        yield order[first:last]


def _distance(tags: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Euclidean distance of tags (L, M) to a mean (L,)."""
    squared = (tags[0] - mean[0]) ** 2
    for tag, center in zip(tags[1:], mean[1:]):
        squared += (tag - center) ** 2
    return np.sqrt(squared)
