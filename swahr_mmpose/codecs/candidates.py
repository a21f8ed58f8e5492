"""Local maxima of aggregated heatmaps, with their tags."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .grouping import Candidates


def non_maximum_suppression(heatmaps: Tensor, kernel_size: int) -> Tensor:
    """Keep (B, K, H, W) heatmap values that are the maximum of their window, zero elsewhere."""
    maxima = F.max_pool2d(heatmaps, kernel_size, stride=1, padding=kernel_size // 2)
    return torch.where(maxima == heatmaps, heatmaps, torch.zeros_like(heatmaps))


def find_candidates(
    heatmaps: Tensor, tags: Tensor, top_k: int, kernel_size: int, threshold: float
) -> list[Candidates]:
    """The ``top_k`` highest local maxima of each heatmap, those over ``threshold``.

    Args:
        heatmaps: (B, K, H, W).
        tags: (B, L·K, H, W), channel ``l * K + k``.
        top_k: Candidates per keypoint at most.
        kernel_size: Side of the window of which a candidate is the maximum, in map pixels.
        threshold: A candidate's heatmap value must be over this.

    Returns:
        One :class:`Candidates` per image.
    """
    b, k, h, w = heatmaps.shape
    peaks = non_maximum_suppression(heatmaps, kernel_size).flatten(2)
    scores, indices = peaks.topk(min(top_k, h * w), dim=2)
    grouped = tags.view(b, -1, k, h * w)
    gathered = grouped.gather(3, indices[:, None].expand(-1, grouped.shape[1], -1, -1))
    scores_np = scores.float().cpu().numpy()
    indices_np = indices.cpu().numpy()
    tags_np = gathered.permute(0, 2, 3, 1).float().cpu().numpy()
    return [
        _over_threshold(scores_np[i], indices_np[i], tags_np[i], w, threshold) for i in range(b)
    ]


def _over_threshold(
    scores: np.ndarray, indices: np.ndarray, tags: np.ndarray, width: int, threshold: float
) -> Candidates:
    """Drop candidates at or under ``threshold`` and turn indices into x and y."""
    locations = np.stack([indices % width, indices // width], axis=-1)
    keep = scores.astype(np.float64) > threshold
    return Candidates(
        locations=[loc[mask] for loc, mask in zip(locations, keep, strict=True)],
        scores=[score[mask] for score, mask in zip(scores, keep, strict=True)],
        tags=[tag[mask] for tag, mask in zip(tags, keep, strict=True)],
    )
