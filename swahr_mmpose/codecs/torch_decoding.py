"""The steps of :mod:`swahr_mmpose.decoding` in torch: no map leaves the device it is on."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..decoding import Candidates, DecodeOptions, People, finish_people, group_people
from ..decoding.finite_maps import check_finite
from ..decoding.refinement import mean_tags

#: Missing keypoints that are looked for at a time: bounds the memory for their distances.
_CHUNK = 32


def decode_with_torch(heatmaps: Tensor, tags: Tensor, options: DecodeOptions) -> list[People]:
    """The people that :func:`swahr_mmpose.decoding.decode_people` finds, for a batch.

    Args:
        heatmaps: (B, K, H, W) float32, on any device.
        tags: (B, L, K, H, W) float32, on the same.
        options: How to read them.

    Raises:
        NotFiniteError: If a map holds NaN or infinity.
    """
    _check_finite("heatmaps", heatmaps)
    _check_finite("tag maps", tags)
    results = []
    for index, candidates in enumerate(find_candidates_with_torch(heatmaps, tags, options)):
        people, scores = group_people(candidates, options)
        found = people[..., 2] > 0
        people = _refine(people, heatmaps[index], tags[index], options.fill_missing)
        results.append(finish_people(people, scores, found, options))
    return results


def _check_finite(name: str, maps: Tensor) -> None:
    """Raise unless all values of maps (B, ..., H, W) are finite; one number goes to the host."""
    if not maps.sum().isfinite():
        check_finite(name, maps.flatten(0, -3).cpu().numpy())


def find_candidates_with_torch(
    heatmaps: Tensor, tags: Tensor, options: DecodeOptions
) -> list[Candidates]:
    """The candidates of each image, by pooling whole maps; only they are copied to the host.

    Args:
        heatmaps: (B, K, H, W) float32, on any device.
        tags: (B, L, K, H, W) float32, on the same.
        options: How to read them.
    """
    h, w = heatmaps.shape[2:]
    kernel = options.nms_kernel
    maxima = F.max_pool2d(heatmaps, kernel, stride=1, padding=kernel // 2)
    peaks = (maxima == heatmaps) & (heatmaps > options.keypoint_thr)
    # Scores over the threshold are positive, so that their bits are ordered as they are. With the
    # pixel in the lower half no two are equal: ties are ranked row by row, as on the CPU.
    pixel = torch.arange(h * w - 1, -1, -1, device=heatmaps.device)
    ranks = (heatmaps.contiguous().view(torch.int32).long().flatten(2) << 32) + pixel
    ranks = ranks.masked_fill_(~peaks.flatten(2), -1)
    indices = ranks.topk(min(options.topk, h * w), dim=2).indices
    scores = torch.where(peaks, heatmaps, 0).flatten(2).gather(2, indices)
    gathered = tags.flatten(3).gather(3, indices[:, None].expand(-1, tags.shape[1], -1, -1))
    # one tensor, so one copy: score, tags, and the index as x and y, which float32 holds exactly
    x, y = indices % w, torch.div(indices, w, rounding_mode="floor")
    packed = torch.stack([scores, x.float(), y.float(), *gathered.unbind(1)])
    found = packed.cpu().numpy()
    return [_split(found[:, image]) for image in range(len(heatmaps))]


def _split(found: np.ndarray) -> Candidates:
    """Candidates of one image from (3 + L, K, M): score (0 where there is none), x, y and tags."""
    candidates = Candidates([], [], [])
    for k in range(found.shape[1]):
        scores, x, y, *tags = found[:, k, found[0, k] > 0]
        candidates.locations.append(np.stack([x, y], axis=-1).astype(np.int64))
        candidates.scores.append(scores)
        candidates.tags.append(np.stack(tags, axis=-1))
    return candidates


def _refine(people: np.ndarray, heatmaps: Tensor, tags: Tensor, fill_missing: bool) -> np.ndarray:
    """Adjust found keypoints, and fill missing ones, of one image.

    Args:
        people: (P, K, 3), x and y in map pixels and the score; score 0 where missing.
        heatmaps: (K, H, W).
        tags: (L, K, H, W).
        fill_missing: Whether missing keypoints are filled in.
    """
    if not len(people):
        return people
    device = heatmaps.device
    found = people[..., 2] > 0
    refined = torch.from_numpy(people).to(device)
    whose, which = np.nonzero(found)
    person, k = torch.from_numpy(whose).to(device), torch.from_numpy(which).to(device)
    x, y = refined[person, k, :2].long().unbind(-1)
    own_tags = tags[:, k, y, x]  # (L, M)
    refined[person, k, :2] += _quarter_offset(heatmaps, k, x, y) + 0.5
    if fill_missing and not found.all():
        # on the host: means that differ in the last bit may round distances to other numbers
        means = torch.from_numpy(mean_tags(whose, own_tags.cpu().numpy()).T).to(device)
        missing = (torch.from_numpy(index).to(device) for index in np.nonzero(~found))
        _fill(refined, heatmaps, tags, means, *missing)
    return refined.cpu().numpy()


def _fill(
    refined: Tensor, heatmaps: Tensor, tags: Tensor, means: Tensor, person: Tensor, k: Tensor
) -> None:
    """Write the best places of missing keypoints (person, k), (M,) each, into ``refined``."""
    width = heatmaps.shape[2]
    for own, own_k in zip(person.split(_CHUNK), k.split(_CHUNK)):
        squared = torch.zeros_like(heatmaps[own_k])
        for tag, mean in zip(tags, means):
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
