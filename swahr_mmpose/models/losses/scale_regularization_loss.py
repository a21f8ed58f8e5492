"""Keeps what the scale and weight branches predict close to zero."""

from __future__ import annotations

from mmpose.registry import MODELS
from torch import Tensor, nn

from .masking import at_least_float32, check_maps, masked_mean


def scale_regularization_loss(scales: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Mean of :math:`\alpha^2` over G > 0 and the mask, divided by the number of all pixels.

    Args:
        scales: (B, K, H, W), α.
        target: (B, K, H, W), heatmaps G.
        mask: (B, 1, H, W) bool or float, which pixels count. None counts all.

    Returns:
        Scalar, in float32 at least (the paper's regulariser of SAHR).

    Raises:
        ValueError: If a shape is wrong.

    Examples:
        >>> import torch
        >>> ones = torch.ones(1, 1, 2, 2)
        >>> scale_regularization_loss(0.5 * ones, ones).item()
        0.25
    """
    check_maps("scales", scales, {"target": target}, mask)
    return masked_mean(at_least_float32(scales) ** 2 * (target > 0), mask)


@MODELS.register_module()
class ScaleRegularizationLoss(nn.Module):
    """Regulariser of the scale branch; see :func:`scale_regularization_loss`.

    Args:
        loss_weight: Factor of the loss.

    Examples:
        >>> import torch
        >>> ones = torch.ones(1, 1, 2, 2)
        >>> ScaleRegularizationLoss(loss_weight=2.0)(0.5 * ones, ones).item()
        0.5
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, scales: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scalar loss; maps are (B, K, H, W), the mask (B, 1, H, W)."""
        return self.loss_weight * scale_regularization_loss(scales, target, mask)
