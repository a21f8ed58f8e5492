"""Aggregates the head's outputs into the maps that are decoded (pure functions)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .outputs import AggregatedMaps, HeadOutput


def resize_maps(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (B, C, H, W) maps bilinearly to ``size`` (h, w), pixel centres at half integers.

    Examples:
        >>> resize_maps(torch.tensor([[[[0.0, 1.0]]]]), (1, 4))
        tensor([[[[0.0000, 0.2500, 0.7500, 1.0000]]]])
    """
    if maps.shape[2:] == torch.Size(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def merge_resolutions(heatmaps: Sequence[Tensor]) -> Tensor:
    """Mean of the heatmaps of all resolutions, (B, K, H, W) at the size of the finest.

    Examples:
        >>> merge_resolutions([torch.zeros(1, 17, 4, 4), torch.ones(1, 17, 8, 8)]).shape
        torch.Size([1, 17, 8, 8])
    """
    total = heatmaps[-1]
    for coarse in heatmaps[:-1]:
        total = total + resize_maps(coarse, total.shape[2:])
    return total / len(heatmaps)


def flip_back(maps: Tensor, flip_indices: Sequence[int]) -> Tensor:
    """Undo a horizontal flip of the input in its output maps.

    Args:
        maps: (B, L·K, H, W), channel ``l * K + k``.
        flip_indices: (K,), for each keypoint its mirror image.

    Examples:
        >>> flip_back(torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]), [1, 0]).tolist()
        [[[[4.0, 3.0]], [[2.0, 1.0]]]]
    """
    grouped = maps.unflatten(1, (-1, len(flip_indices)))
    # an index tensor would have to be copied from the host, and the device waited for
    mirrored = torch.stack([grouped[:, :, k] for k in flip_indices], dim=2)
    return mirrored.flatten(1, 2).flip(-1)


def aggregate_maps(
    scales: Iterable[Sequence[HeadOutput]],
    size: tuple[int, int],
    flip_indices: Sequence[int] | None = None,
) -> AggregatedMaps:
    """Mean of the heatmaps over resolutions, mirrored passes and scales; tags of scale 1.

    Scales are added up as they come: with a generator, memory does not grow with their number.

    Args:
        scales: Per scale the head's output for the original input, or for the original and the
            mirrored one; scale 1 first.
        size: (h, w) of the network input at scale 1 in pixels.
        flip_indices: (K,), for each keypoint its mirror image; needed for mirrored passes.

    Raises:
        ValueError: If there are mirrored passes without ``flip_indices`` for their keypoints.

    Examples:
        >>> from swahr_mmpose.models.outputs import HeadOutput
        >>> heatmaps = torch.zeros(1, 17, 4, 4), torch.ones(1, 17, 8, 8)
        >>> maps = aggregate_maps([[HeadOutput(heatmaps, torch.zeros(1, 17, 4, 4))]], (16, 16))
        >>> tuple(maps.heatmaps.shape), maps.heatmaps.mean().item()
        ((1, 17, 16, 16), 0.5)
    """
    total: Tensor | None = None
    tags: list[Tensor] = []
    alpha, num_scales = None, 0
    for outputs in scales:
        passes = [(merge_resolutions(output.heatmaps), output.tags) for output in outputs]
        if len(passes) == 2:
            indices = _check_flip_indices(flip_indices, passes[1][0].shape[1])
            heatmaps, mirrored_tags = passes[1]
            passes[1] = flip_back(heatmaps, indices), flip_back(mirrored_tags, indices)
        if not num_scales:
            # via the heatmaps' stride, as in the official implementation
            tags = [
                resize_maps(resize_maps(own.float(), heatmaps.shape[2:]), size)
                for heatmaps, own in passes
            ]
            alpha = outputs[0].scales[-1] if outputs[0].scales else None
        mean = torch.stack([heatmaps for heatmaps, _ in passes]).mean(dim=0)
        resized = resize_maps(mean.float(), size)
        total = resized if total is None else total + resized
        num_scales += 1
    assert total is not None, "there is scale 1 at least"
    return AggregatedMaps(total / num_scales, torch.cat(tags, dim=1), alpha)


def _check_flip_indices(flip_indices: Sequence[int] | None, num_keypoints: int) -> Sequence[int]:
    if flip_indices is None or len(flip_indices) != num_keypoints:
        raise ValueError(
            f"Flip test needs `flip_indices` for the head's {num_keypoints} keypoints, but the "
            f"data samples have {flip_indices}. Use the dataset that the network is for, and pack "
            "'flip_indices' (`meta_keys` of the packing transform)."
        )
    return flip_indices
