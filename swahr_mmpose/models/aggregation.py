"""Network outputs of flipped and scaled inputs to one set of maps (pure functions, one sum)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, C, H, W) maps bilinearly to ``size`` (h, w), pixel centres at half integers."""
    if maps.shape[2:] == torch.Size(size):
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def merge_resolutions(heatmaps: Sequence[Tensor]) -> Tensor:
    """Mean of the heatmaps of all resolutions, (B, K, H, W) at the size of the finest."""
    h, w = heatmaps[-1].shape[2:]
    total = heatmaps[-1]
    for coarse in heatmaps[:-1]:
        total = total + resize_maps(coarse, (h, w))
    return total / len(heatmaps)


def flip_back(maps: Tensor, flip_indices: Sequence[int]) -> Tensor:
    """Undo a horizontal flip of the input in its output maps.

    Args:
        maps: (B, L·K, H, W), channel ``l * K + k``.
        flip_indices: (K,), for each keypoint its mirror image.
    """
    grouped = maps.unflatten(1, (-1, len(flip_indices))).flip(-1)
    order = torch.as_tensor(flip_indices, device=maps.device)
    return grouped.index_select(2, order).flatten(1, 2)


class MapAggregator:
    """Running mean of heatmaps over passes (scales and flips), and the tags of scale 1.

    Passes are summed as they come, so that memory does not grow with their number.

    Args:
        size: (h, w) of the aggregated maps, the network input's at scale 1, in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._heatmaps: Tensor | None = None
        self._num_scales = 0
        self._tags: list[Tensor] = []

    def add_scale(self, passes: Sequence[tuple[Tensor, Tensor]], keep_tags: bool) -> None:
        """Add one scale.

        Args:
            passes: One or two (original and flipped) pairs of heatmaps (B, K, h, w), merged over
                resolutions, and tags (B, L·K, h', w') at stride 4; flips already undone.
            keep_tags: Whether this is scale 1, whose tags are used.
        """
        mean = torch.stack([heatmaps for heatmaps, _ in passes]).mean(dim=0)
        mean = resize_maps(mean.float(), self.size)
        self._heatmaps = mean if self._heatmaps is None else self._heatmaps + mean
        self._num_scales += 1
        if keep_tags:
            for heatmaps, tags in passes:
                # via the heatmaps' stride, as in the official implementation
                height, width = heatmaps.shape[2:]
                at_heatmaps = resize_maps(tags.float(), (height, width))
                self._tags.append(resize_maps(at_heatmaps, self.size))

    def result(self) -> tuple[Tensor, Tensor]:
        """Heatmaps (B, K, H, W) and tags (B, L·K, H, W), the tags of both passes side by side.

        Raises:
            RuntimeError: If no scale was added, or none with tags.
        """
        if self._heatmaps is None or not self._tags:
            raise RuntimeError("No maps to aggregate: add scale 1, with its tags, first.")
        return self._heatmaps / self._num_scales, torch.cat(self._tags, dim=1)
