"""Keypoint candidates: the local maxima of aggregated heatmaps, with their tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .options import DecodeOptions

#: From this share of pixels over the threshold on, looking at all of them is faster.
_MANY = 0.2


@dataclass(frozen=True)
class Candidates:
    """Keypoint candidates of one image, those of keypoint ``k`` in entry ``k`` of each list.

    Attributes:
        locations: Per keypoint (M_k, 2) int64, x and y in map pixels; highest score first, equal
            scores row by row.
        scores: Per keypoint (M_k,) float32, heatmap values.
        tags: Per keypoint (M_k, L) float32.
    """

    locations: list[np.ndarray]
    scores: list[np.ndarray]
    tags: list[np.ndarray]


def find_candidates(heatmaps: np.ndarray, tags: np.ndarray, options: DecodeOptions) -> Candidates:
    """The ``options.topk`` highest local maxima of each heatmap over ``options.keypoint_thr``.

    A pixel is a local maximum if none in its window is higher; of equal ones all are. Only pixels
    over the threshold are looked at where they are few, and they mostly are a few hundredths.

    Args:
        heatmaps: (K, H, W) float32.
        tags: (L, K, H, W) float32.
        options: How to read the maps.

    Examples:
        >>> heatmaps, tags = np.zeros((1, 8, 8), np.float32), np.zeros((1, 1, 8, 8), np.float32)
        >>> heatmaps[0, 2, 5:7] = 0.9, 0.5
        >>> find_candidates(heatmaps, tags, DecodeOptions()).locations[0].tolist()
        [[5, 2]]
    """
    num_keypoints, h, w = heatmaps.shape
    flat = heatmaps.reshape(-1)  # a copy where the maps are a part of larger ones
    over = np.flatnonzero(flat > np.float32(options.keypoint_thr))
    if len(over) > _MANY * len(flat):
        peaks = _peaks_everywhere(heatmaps, options)
    else:
        peaks = _local_maxima(flat, over, (h, w), options.nms_kernel)
    bounds = np.searchsorted(peaks, np.arange(num_keypoints + 1) * h * w)
    candidates = Candidates([], [], [])
    for k in range(num_keypoints):
        own = peaks[bounds[k] : bounds[k + 1]]
        own = own[_highest(flat[own], options.topk)]
        x, y = own % w, own // w % h
        candidates.locations.append(np.stack([x, y], axis=-1))
        candidates.scores.append(flat[own])
        candidates.tags.append(np.ascontiguousarray(tags[:, k, y, x].T))
    return candidates


def _highest(values: np.ndarray, most: int) -> np.ndarray:
    """The indices of the highest values, highest first, equal ones in their order."""
    if len(values) > most:
        least = np.partition(values, -most)[-most]
        over, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
        highest = np.sort(np.concatenate([over, equal[: most - len(over)]]))
    else:
        highest = np.arange(len(values))
    ranked: np.ndarray = highest[np.argsort(-values[highest], kind="stable")]
    return ranked


def _peaks_everywhere(heatmaps: np.ndarray, options: DecodeOptions) -> np.ndarray:
    """Indices of the local maxima over the threshold, by looking at all pixels."""
    # imported here: maps of this kind are rare, and SciPy is slow to import
    from scipy.ndimage import maximum_filter

    size = (1, options.nms_kernel, options.nms_kernel)
    maxima = maximum_filter(heatmaps, size=size, mode="nearest")
    return np.flatnonzero((heatmaps == maxima) & (heatmaps > np.float32(options.keypoint_thr)))


def _local_maxima(
    flat: np.ndarray, indices: np.ndarray, size: tuple[int, int], kernel_size: int
) -> np.ndarray:
    """Those of ``indices`` into flat (K, H, W) maps that are the maximum of their window.

    The nearest neighbours are compared first: they rule out most.
    """
    h, w = size
    reach = range(-(kernel_size // 2), kernel_size // 2 + 1)
    offsets = [(dy, dx) for dy in reach for dx in reach if dy or dx]
    rows, x = np.divmod(indices, w)
    y = rows % h
    for dy, dx in sorted(offsets, key=lambda offset: max(map(abs, offset))):
        # beyond the border, the border pixel stands in: it lies in the same window
        down, right = (y + dy).clip(0, h - 1) - y, (x + dx).clip(0, w - 1) - x
        highest = flat[indices] >= flat[indices + down * w + right]
        indices, y, x = indices[highest], y[highest], x[highest]
    return indices
