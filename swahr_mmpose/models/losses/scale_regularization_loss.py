"""Keeps what the scale and weight branches predict close to zero."""

from __future__ import annotations

from typing import Any

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .checks import at_least_float32, check_mask, check_same_shape
from .sparse_pixels import foreground_index, put, take, weights_at


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
    """
    check_same_shape("target", target, "scales", scales)
    check_mask(mask, scales)
    scales = at_least_float32(scales)
    if scales.device.type == "cpu":
        return sparse_regularization_loss(scales, target, mask)
    return plain_regularization_loss(scales, target, mask)


def plain_regularization_loss(scales: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """The formula of :func:`scale_regularization_loss` as it stands, on any device."""
    loss = scales**2 * (target > 0)
    return loss.mean() if mask is None else (loss * mask).mean()


def sparse_regularization_loss(scales: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """The same value and gradient on the CPU, from the pixels of people only."""
    loss: Tensor = _SparseRegularization.apply(scales, target, mask)
    return loss


class _SparseRegularization(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scales: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        index = foreground_index(target, mask)
        alpha = take(scales, index.flat)
        weighted = alpha * weights_at(mask, index, scales.dtype, 1 / scales.numel())
        ctx.shape = scales.shape
        ctx.save_for_backward(index.flat, weighted)
        return torch.dot(weighted, alpha)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        flat, weighted = ctx.saved_tensors
        grad = weighted.new_zeros(ctx.shape)
        put(grad, flat, weighted * (2 * grad_loss))
        return grad, None, None


@MODELS.register_module()
class ScaleRegularizationLoss(nn.Module):
    """Regulariser of the scale branch; see :func:`scale_regularization_loss`.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, scales: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scalar loss; maps are (B, K, H, W), the mask (B, 1, H, W)."""
        return self.loss_weight * scale_regularization_loss(scales, target, mask)
