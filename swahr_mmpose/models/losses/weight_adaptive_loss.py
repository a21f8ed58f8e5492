"""Heatmap regression with adaptive target width (SAHR) and adaptive pixel weight (WAHR)."""

from __future__ import annotations

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from .masking import at_least_float32, check_maps, masked_mean


def scale_adaptive_target(target: Tensor, scales: Tensor) -> Tensor:
    r"""The target of SAHR: a Gaussian of width :math:`\sigma_0/\sqrt{1+\alpha}`, to second order.

    .. math:: G' = G\,(1 + \alpha \ln G + \tfrac12 \alpha^2 \ln^2 G), \quad 0 \text{ where } G = 0

    The Taylor expansion of :math:`G^{1+\alpha}` around :math:`\alpha = 0` (the paper's SAHR); α is
    masked to G > 0, so gradients reach α only there.

    Unlike the power, the parabola in :math:`x = \alpha \ln G` is bounded for narrowing: it is least
    at x = −1, that is at :math:`\alpha |\ln G| = 1`, where G' = G/2, and turns up again from there,
    back to G at x = −2 and above it beyond. A large positive α thus narrows no further, and lifts
    the Gaussian's border, which the squared error and the regulariser of α then press down. For
    α ≤ 0 the target is at least G, and bounded by the power, which it is below.

    Args:
        target: (B, K, H, W), Gaussians of the base width, 0 outside their support.
        scales: (B, K, H, W), α.

    Examples:
        >>> target = torch.tensor([1.0, 0.5, 0.0])
        >>> scale_adaptive_target(target, torch.ones(3))
        tensor([1.0000, 0.2735, 0.0000])
    """
    foreground = target > 0
    log_target = torch.where(foreground, target, torch.ones_like(target)).log()
    exponent = scales * log_target
    return target * (1 + exponent + 0.5 * exponent**2)


def soft_foreground(target: Tensor, gamma: float, weight_shift: Tensor | None) -> Tensor:
    r"""Where people are, from 0 to 1: :math:`G^\gamma`, with a shift δ added and clamped.

    It is 0 where G = 0 and close to 1 on the whole support for the paper's small γ.

    Examples:
        >>> soft_foreground(torch.tensor([1.0, 0.01, 0.0]), 0.01, None)
        tensor([1.0000, 0.9550, 0.0000])
    """
    foreground = target**gamma
    if weight_shift is None:
        return foreground
    return (foreground + weight_shift).clamp(0, 1)


def pixel_weight(pred: Tensor, foreground: Tensor) -> Tensor:
    r"""How much the error of each pixel counts: :math:`F\,|1 - P| + (1 - F)\,|P|`.

    Args:
        pred: Predicted heatmap values P, of any shape.
        foreground: Soft foreground F from 0 to 1, of the same shape.

    Examples:
        >>> pixel_weight(torch.tensor([0.1, 0.9]), torch.tensor([0.0, 1.0]))
        tensor([0.1000, 0.1000])
    """
    return foreground * (1 - pred).abs() + (1 - foreground) * pred.abs()


def weight_adaptive_loss(
    pred: Tensor,
    target: Tensor,
    scales: Tensor | None = None,
    mask: Tensor | None = None,
    weight_shift: Tensor | None = None,
    gamma: float | None = 0.01,
) -> Tensor:
    r"""The heatmap loss of SWAHR, its parts, or their absence.

    .. math:: L = \operatorname{mean}\big(M\,W\,(P - G')^2\big), \quad
              W = F\,|1 - P| + (1 - F)\,|P|

    with :math:`G'` of :func:`scale_adaptive_target`, F of :func:`soft_foreground` (WAHR; W
    is not detached, as in the official implementation) and M the mask. The mean is over all
    pixels of all maps, masked ones included.

    Args:
        pred: (B, K, H, W), predicted heatmaps P.
        target: (B, K, H, W), Gaussians of the base width G.
        scales: (B, K, H, W), α. None leaves the target's width as it is.
        mask: (B, 1, H, W) bool or float, which pixels count. None counts all.
        weight_shift: (B, K, H, W), δ, for a ``gamma`` only. None is the paper's weight.
        gamma: Hardness γ > 0 of the soft foreground. None weighs all pixels alike.

    Returns:
        Scalar, in float32 at least.

    Raises:
        ValueError: If a shape is wrong, or there is a shift and no ``gamma``.

    Examples:
        >>> target = torch.zeros(1, 1, 2, 2)
        >>> round(weight_adaptive_loss(target + 0.5, target).item(), 4)
        0.125
    """
    # torch 2.0 can compile neither `dict(…)`, here and in the heads' losses, nor a `return` below
    # from inside `with`
    others = {"target": target, "scales": scales, "weight_shift": weight_shift}
    check_maps("pred", pred, others, mask)
    if gamma is None and weight_shift is not None:
        raise ValueError(
            "`weight_shift` has no effect without `gamma`. Leave it out, or set `gamma`."
        )
    # nor may autocast take the parts of the formula to half precision again
    with torch.autocast(pred.device.type, enabled=False):
        pred, target = at_least_float32(pred), at_least_float32(target)
        fitted = target
        if scales is not None:
            fitted = scale_adaptive_target(target, at_least_float32(scales))
        loss = (pred - fitted) ** 2
        if gamma is not None:
            shift = None if weight_shift is None else at_least_float32(weight_shift)
            loss = loss * pixel_weight(pred, soft_foreground(target, gamma, shift))
        loss = masked_mean(loss, mask)
    return loss


@MODELS.register_module()
class WeightAdaptiveLoss(nn.Module):
    """Heatmap loss of SWAHR (Luo et al., CVPR 2021); see :func:`weight_adaptive_loss`.

    Without scales it is WAHR alone, with ``gamma=None`` SAHR alone, and with neither the masked
    mean squared error of HigherHRNet.

    Args:
        gamma: Hardness γ of the soft foreground, or None for no weight.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: If ``gamma`` is not positive.

    Examples:
        >>> maps = torch.zeros(1, 17, 8, 8)
        >>> WeightAdaptiveLoss()(maps, maps).item()
        0.0
    """

    def __init__(self, gamma: float | None = 0.01, loss_weight: float = 1.0) -> None:
        super().__init__()
        if gamma is not None and not gamma > 0:
            raise ValueError(
                "`gamma` must be positive (the paper's is 0.01), or None for no weight, but got "
                f"{gamma}."
            )
        self.gamma = gamma
        self.loss_weight = loss_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        scales: Tensor | None = None,
        mask: Tensor | None = None,
        weight_shift: Tensor | None = None,
    ) -> Tensor:
        """Scalar loss; maps are (B, K, H, W), the mask (B, 1, H, W)."""
        loss = weight_adaptive_loss(pred, target, scales, mask, weight_shift, self.gamma)
        return self.loss_weight * loss
