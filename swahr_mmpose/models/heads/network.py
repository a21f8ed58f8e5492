"""What the heads are built of, and what they give."""

from __future__ import annotations

from typing import Any, NamedTuple

from mmcv.cnn import build_norm_layer
from mmengine.model import Sequential, constant_init
from mmpose.models.backbones.resnet import BasicBlock
from torch import Tensor, nn

#: Side of the depthwise convolution in the scale and weight branches (official implementation).
_BRANCH_KERNEL = 9


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


def deconv_block(
    in_channels: int, out_channels: int, num_basic_blocks: int, norm_cfg: dict[str, Any]
) -> nn.Sequential:
    """Deconvolution 4×4 of stride 2, normalisation, ReLU and residual blocks.

    Examples:
        >>> import torch
        >>> block = deconv_block(9, 8, num_basic_blocks=1, norm_cfg=dict(type="BN"))
        >>> tuple(block(torch.zeros(1, 9, 16, 16)).shape)
        (1, 8, 32, 32)
    """
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


class TrainingBranch(Sequential):
    """Scale or weight branch of one resolution; it starts at zero.

    1×1 convolution to K, normalisation, ReLU, depthwise convolution. A ``Pretrained``
    initialisation of the head or the model is loaded after this one, and stays.

    Examples:
        >>> import torch
        >>> branch = TrainingBranch(8, num_keypoints=17, norm_cfg=dict(type="BN"))
        >>> maps = branch(torch.ones(1, 8, 4, 4))
        >>> tuple(maps.shape), maps.abs().max().item()
        ((1, 17, 4, 4), 0.0)
    """

    def __init__(self, in_channels: int, num_keypoints: int, norm_cfg: dict[str, Any]) -> None:
        k, kernel = num_keypoints, _BRANCH_KERNEL
        super().__init__(
            nn.Conv2d(in_channels, k, kernel_size=1),
            build_norm_layer(norm_cfg, k)[1],
            nn.ReLU(inplace=True),
            nn.Conv2d(k, k, kernel, padding=kernel // 2, groups=k),
        )
        constant_init(self[-1], 0)

    def init_weights(self) -> None:
        """Initialise, the last convolution with zeros again."""
        super().init_weights()
        constant_init(self[-1], 0)
