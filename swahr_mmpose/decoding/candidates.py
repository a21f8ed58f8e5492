"""Keypoint candidates: the local maxima of aggregated heatmaps, with their tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .options import DecodeOptions


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
    over the threshold are looked at, which are a few hundredths of the maps.

    Args:
        heatmaps: (K, H, W) float32.
        tags: (L, K, H, W) float32.
        options: How to read the maps.
    """
    num_keypoints, h, w = heatmaps.shape
    flat = heatmaps.reshape(-1)
    over = np.flatnonzero(flat > np.float32(options.keypoint_thr))
    peaks = _local_maxima(flat, over, (h, w), options.nms_kernel)
    bounds = np.searchsorted(peaks, np.arange(num_keypoints + 1) * h * w)
    by_pixel = tags.reshape(len(tags), -1)
    candidates = Candidates([], [], [])
    for k in range(num_keypoints):
        own = peaks[bounds[k] : bounds[k + 1]]
        own = own[np.argsort(-flat[own], kind="stable")[: options.topk]]
        candidates.locations.append(np.stack([own % w, own // w % h], axis=-1))
        candidates.scores.append(flat[own])
        candidates.tags.append(np.ascontiguousarray(by_pixel[:, own].T))
    return candidates


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
