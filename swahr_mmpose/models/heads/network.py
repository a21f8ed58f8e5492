"""What the heads are built of, and what they give."""

from __future__ import annotations

from typing import Any, NamedTuple

from mmcv.cnn import build_norm_layer
from mmpose.models.backbones.resnet import BasicBlock
from torch import Tensor, nn


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


def deconv_block(
    in_channels: int, out_channels: int, num_basic_blocks: int, norm_cfg: dict[str, Any]
) -> nn.Sequential:
    """Deconvolution 4×4 of stride 2, normalisation, ReLU and residual blocks."""
    upsample = nn.Sequential(
        nn.ConvTranspose2d(
            in_channels, out_channels, kernel_size=4, stride=2, padding=1, bias=False
        ),
        build_norm_layer(norm_cfg, out_channels)[1],
        nn.ReLU(inplace=True),
    )
    blocks = [
        nn.Sequential(BasicBlock(out_channels, out_channels, norm_cfg=norm_cfg))
        for _ in range(num_basic_blocks)
    ]
    return nn.Sequential(upsample, *blocks)
