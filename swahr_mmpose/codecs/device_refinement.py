"""The refinement of :mod:`.refinement` on a GPU: no map leaves the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Missing keypoints that are looked for at a time: bounds the memory for their distances.
_CHUNK = 32


def refine_on_device(
    people: np.ndarray, heatmaps: Tensor, tags: Tensor, fill_missing: bool
) -> np.ndarray:
    """Adjust found keypoints, and fill missing ones, of one image.

    Args:
        people: (P, K, 3), x and y in map pixels and the score; score 0 where missing.
        heatmaps: (K, H, W), on any device.
        tags: (L, K, H, W), on the same.
        fill_missing: Whether missing keypoints are filled in.

    Returns:
        A new array of the shape of ``people``; what :func:`adjust_keypoints` and
        :func:`fill_missing_keypoints` give.
    """
    if not len(people):
        return people
    device = heatmaps.device
    found = people[..., 2] > 0
    refined = torch.from_numpy(people).to(device)
    person, k = (torch.from_numpy(index).to(device) for index in np.nonzero(found))
    x, y = refined[person, k, :2].long().unbind(-1)
    own_tags = tags[:, k, y, x]  # (L, M)
    refined[person, k, :2] += _quarter_offset(heatmaps, k, x, y) + 0.5
    if fill_missing and not found.all():
        sums = tags.new_zeros(len(tags), len(people)).index_add_(1, person, own_tags)
        counts = torch.from_numpy(found.sum(axis=1)).to(device)
        missing = (torch.from_numpy(index).to(device) for index in np.nonzero(~found))
        _fill(refined, heatmaps, tags, sums / counts, *missing)
    return refined.cpu().numpy()


def _fill(
    refined: Tensor, heatmaps: Tensor, tags: Tensor, means: Tensor, person: Tensor, k: Tensor
) -> None:
    """Write the best places of missing keypoints (person, k), (M,) each, into ``refined``."""
    width = heatmaps.shape[2]
    for own, own_k in zip(person.split(_CHUNK), k.split(_CHUNK), strict=True):
        squared = torch.zeros_like(heatmaps[own_k])
        for tag, mean in zip(tags, means, strict=True):
            squared += (tag[own_k] - mean[own, None, None]) ** 2
        best = (heatmaps[own_k] - squared.sqrt_().round_()).flatten(1).argmax(dim=1)
        x, y = best % width, best // width
        scores = heatmaps[own_k, y, x]
        places = torch.stack([x, y], dim=1) + _quarter_offset(heatmaps, own_k, x, y) + 0.5
        filled = torch.cat([places, scores[:, None]], dim=1)
        refined[own, own_k] = torch.where(scores[:, None] > 0, filled, refined[own, own_k])


def _quarter_offset(heatmaps: Tensor, k: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """A quarter pixel towards the higher neighbour on each axis, (M, 2)."""
    _, height, width = heatmaps.shape
    right = heatmaps[k, y, (x + 1).clamp(max=width - 1)]
    left = heatmaps[k, y, (x - 1).clamp(min=0)]
    below = heatmaps[k, (y + 1).clamp(max=height - 1), x]
    above = heatmaps[k, (y - 1).clamp(min=0), x]
    higher = torch.stack([right > left, below > above], dim=1)
    return higher.to(heatmaps.dtype) * 0.5 - 0.25
