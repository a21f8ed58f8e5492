"""Building blocks of the heads."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_norm_layer
from mmengine.model import Sequential, constant_init
from mmpose.models.backbones.resnet import BasicBlock
from torch import nn

#: Side of the depthwise convolution in the scale and weight branches (official implementation).
_BRANCH_KERNEL = 9


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
