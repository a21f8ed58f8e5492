"""Named tuples that heads, losses and decoding pass to one another."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class HeadOutput(NamedTuple):
    """Maps of one forward pass.

    Attributes:
        heatmaps: One (B, K, H, W) tensor per resolution, stride 4 then 2.
        tags: (B, L·K, H, W) at stride 4, channel ``l * K + k``.
        scales: α, one tensor per resolution like ``heatmaps``; None without a scale branch.
        weight_shifts: δ, likewise; None without a weight branch.
    """

    heatmaps: tuple[Tensor, ...]
    tags: Tensor
    scales: tuple[Tensor, ...] | None = None
    weight_shifts: tuple[Tensor, ...] | None = None


class Level(NamedTuple):
    """What the heatmap losses of one resolution compare.

    Attributes:
        heatmaps: (B, K, H, W), predicted.
        target: (B, K, H, W).
        mask: (B, 1, H, W), which pixels count; None counts all.
        scales: (B, K, H, W), α; None without a scale branch.
        weight_shift: (B, K, H, W), δ; None without a weight branch.
    """

    heatmaps: Tensor
    target: Tensor
    mask: Tensor | None = None
    scales: Tensor | None = None
    weight_shift: Tensor | None = None


class AggregatedMaps(NamedTuple):
    """Maps of a batch, brought together from all passes.

    Attributes:
        heatmaps: (B, K, H, W) float32 at the size of the network input at scale 1.
        tags: (B, L·K, H, W) float32, those of the mirrored pass behind those of the original.
        scales: α (B, K, h, w) of the original pass of scale 1 at stride 2, where the head gave it.
    """

    heatmaps: Tensor
    tags: Tensor
    scales: Tensor | None
