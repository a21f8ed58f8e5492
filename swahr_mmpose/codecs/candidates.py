"""Local maxima of aggregated heatmaps, with their tags."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .grouping import Candidates

#: ``torch.topk`` on the CPU works with a heap where a row is at least this many times k long.
_TOPK_HEAP_RATIO = 64


def find_candidates(
    heatmaps: Tensor, tags: Tensor, top_k: int, kernel_size: int, threshold: float
) -> list[Candidates]:
    """The ``top_k`` highest local maxima of each heatmap, those over ``threshold``.

    A pixel is a local maximum if none in its window is higher; of equal ones all are.

    Args:
        heatmaps: (B, K, H, W).
        tags: (B, L·K, H, W), channel ``l * K + k``.
        top_k: Candidates per keypoint at most.
        kernel_size: Side of the window of which a candidate is the maximum, in map pixels.
        threshold: A candidate's heatmap value must be over this.

    Returns:
        One :class:`Candidates` per image.
    """
    if heatmaps.device.type != "cpu":
        return _dense_candidates(heatmaps, tags, top_k, kernel_size, threshold)
    heatmaps_np, tags_np = heatmaps.float().numpy(), tags.float().numpy()
    return [
        _sparse_candidates(maps, image_tags, top_k, kernel_size, threshold)
        for maps, image_tags in zip(heatmaps_np, tags_np, strict=True)
    ]


def _dense_candidates(
    heatmaps: Tensor, tags: Tensor, top_k: int, kernel_size: int, threshold: float
) -> list[Candidates]:
    """By pooling whole maps, on the device; only the candidates are copied to the host."""
    b, k, h, w = heatmaps.shape
    maxima = F.max_pool2d(heatmaps, kernel_size, stride=1, padding=kernel_size // 2)
    peaks = torch.where(maxima == heatmaps, heatmaps, 0).flatten(2)
    scores, indices = peaks.topk(min(top_k, h * w), dim=2)
    grouped = tags.view(b, -1, k, h * w)
    gathered = grouped.gather(3, indices[:, None].expand(-1, grouped.shape[1], -1, -1))
    # one tensor, so one copy: score, tags, and the index as x and y, which float32 holds exactly
    packed = torch.stack(
        [scores.float(), (indices % w).float(), (indices // w).float(), *gathered.float().unbind(1)]
    )
    found = packed.cpu().numpy()
    return [_split(found[:, image], threshold) for image in range(b)]


def _split(found: np.ndarray, threshold: float) -> Candidates:
    """Candidates of one image from (3 + L, K, M): score, x, y and tags."""
    scores, x, y = found[:3]
    keep = scores.astype(np.float64) > threshold
    locations, tags = np.stack([x, y], axis=-1).astype(np.int64), np.moveaxis(found[3:], 0, -1)
    keypoints = range(len(scores))
    return Candidates(
        locations=[locations[k][keep[k]] for k in keypoints],
        scores=[scores[k][keep[k]] for k in keypoints],
        tags=[tags[k][keep[k]] for k in keypoints],
    )


def _sparse_candidates(
    heatmaps: np.ndarray, tags: np.ndarray, top_k: int, kernel_size: int, threshold: float
) -> Candidates:
    """By looking at the pixels over the threshold only, a few hundredths of the maps."""
    num_keypoints, h, w = heatmaps.shape
    flat = heatmaps.reshape(-1)
    peaks = _local_maxima(flat, np.flatnonzero(flat > threshold), (h, w), kernel_size)
    bounds = np.searchsorted(peaks, np.arange(num_keypoints + 1) * h * w)
    grouped_tags = tags.reshape(-1, num_keypoints, h * w)
    candidates = Candidates([], [], [])
    for k in range(num_keypoints):
        heatmap = heatmaps[k].reshape(-1)
        pixels = peaks[bounds[k] : bounds[k + 1]] - k * h * w
        order = np.argsort(-heatmap[pixels], kind="stable")[: top_k + 1]
        if (np.diff(heatmap[pixels[order]]) == 0).any():
            pixels = _rank_with_ties(heatmap, (h, w), top_k, kernel_size)
            pixels = pixels[heatmap[pixels].astype(np.float64) > threshold]
        else:
            pixels = pixels[order[:top_k]]
        candidates.locations.append(np.stack([pixels % w, pixels // w], axis=-1))
        candidates.scores.append(heatmap[pixels])
        candidates.tags.append(np.ascontiguousarray(grouped_tags[:, k, pixels].T))
    return candidates


def _rank_with_ties(
    heatmap: np.ndarray, size: tuple[int, int], top_k: int, kernel_size: int
) -> np.ndarray:
    """Pixels of the highest local maxima in the order in which ``torch.topk`` gives them.

    Which of equal maxima comes first decides how they are grouped, and the official implementation
    leaves it to ``torch.topk`` over the whole map. That keeps a heap of the highest so far, which
    starts with the first pixels and takes no notice of lower ones that follow: leaving most of
    those out does not change the order. Over short rows it works otherwise, hence the padding.
    """
    positive = _local_maxima(heatmap, np.flatnonzero(heatmap > 0), size, kernel_size)
    if heatmap.size < 2 * _TOPK_HEAP_RATIO * top_k:
        row = np.zeros_like(heatmap)
        row[positive] = heatmap[positive]
        return torch.from_numpy(row).topk(min(top_k, row.size)).indices.numpy()
    pixels = np.union1d(np.arange(2 * top_k), positive)
    row = np.zeros(max(len(pixels), _TOPK_HEAP_RATIO * top_k), heatmap.dtype)
    is_peak = np.isin(pixels, positive)
    row[: len(pixels)][is_peak] = heatmap[pixels[is_peak]]
    ranked = torch.from_numpy(row).topk(top_k).indices.numpy()
    return pixels[ranked[ranked < len(pixels)]]


def _local_maxima(
    flat: np.ndarray, indices: np.ndarray, size: tuple[int, int], kernel_size: int
) -> np.ndarray:
    """Those of ``indices`` into flat (K, H, W) maps that are the maximum of their window.

    The nearest neighbours are compared first: they rule out most.
    """
    h, w = size
    radius = kernel_size // 2
    offsets = [
        (dy, dx)
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
        if dy or dx
    ]
    for dy, dx in sorted(offsets, key=lambda offset: max(map(abs, offset))):
        y, x = indices // w % h + dy, indices % w + dx
        inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        neighbours = flat[np.where(inside, indices + dy * w + dx, indices)]
        indices = indices[flat[indices] >= neighbours]
    return indices
