"""What the scale branch predicts, as one figure for the log."""

from __future__ import annotations

import torch
from torch import Tensor

from ...decoding.widths import MIN_NARROWING


@torch.no_grad()
def mean_relative_width(scales: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    r"""Mean of :math:`1/\sqrt{1+\alpha}` over G > 0 and the mask: 1 is the base width.

    Nothing here waits for the device.

    Args:
        scales: (B, K, H, W), α.
        target: (B, K, H, W), heatmaps G.
        mask: (B, 1, H, W), which pixels count. None counts all.

    Returns:
        Scalar; 1 where there is no one.

    Examples:
        >>> maps = torch.ones(1, 1, 2, 2)
        >>> mean_relative_width(3 * maps, maps, None).item()
        0.5
    """
    counted = (target > 0).float()
    if mask is not None:
        counted = counted * mask
    widths = (1 + scales.float()).clamp(min=MIN_NARROWING).rsqrt()
    number = counted.sum()
    no_one = (number == 0).float()
    return ((widths * counted).sum() + no_one) / (number + no_one)
