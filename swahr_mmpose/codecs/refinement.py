"""Sub-pixel adjustment of grouped keypoints, and filling in those that are missing."""

from __future__ import annotations

import numpy as np


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
    people: np.ndarray, heatmaps: np.ndarray, tags: np.ndarray
) -> np.ndarray:
    """Give each missing keypoint the place where the heatmap less the tag distance is highest.

    The tag distance is that to the person's mean tag, rounded. A place whose heatmap value is not
    positive is not used.

    Args:
        people: (P, K, 3), adjusted keypoints (x, y in map pixels, score); score 0 where missing.
        heatmaps: (K, H, W).
        tags: (K, H, W, L).

    Returns:
        A new array of the same shape.
    """
    filled = people.copy()
    for person in filled:
        found = np.flatnonzero(person[:, 2] > 0)
        missing = np.flatnonzero(person[:, 2] == 0)
        if not len(missing) or not len(found):
            continue
        x, y = person[found, :2].astype(np.int64).T
        mean_tag = np.mean(tags[found, y, x], axis=0)
        for k in missing:
            distance = np.sqrt(((tags[k] - mean_tag) ** 2).sum(axis=-1))
            best = np.argmax(heatmaps[k] - np.round(distance))
            y_best, x_best = np.unravel_index(best, heatmaps.shape[1:])
            score = heatmaps[k, y_best, x_best]
            if score > 0:
                offset = quarter_offset(heatmaps, *np.array([[k], [x_best], [y_best]]))[0]
                person[k] = (x_best + offset[0] + 0.5, y_best + offset[1] + 0.5, score)
    return filled
