"""The heatmap loss on the CPU: logarithms and powers at the pixels of people only."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .sparse_pixels import foreground_index, put, take, weights_at


class _Pixels(NamedTuple):
    """Sum of the loss over some pixels, and its gradients there, (M,) each."""

    loss: Tensor
    grad_pred: Tensor
    grad_scales: Tensor | None
    grad_shift: Tensor | None


def sparse_heatmap_loss(
    pred: Tensor,
    target: Tensor,
    scales: Tensor | None,
    mask: Tensor | None,
    weight_shift: Tensor | None,
    gamma: float,
) -> Tensor:
    r"""The same value and gradients as the plain formula, in a few passes over the maps.

    Gaussians cover a small part of the maps; elsewhere :math:`G = G' = 0`, and without a shift
    the loss of a pixel is :math:`|P|^3`. Loss and gradients are computed together, so that only
    the gradients are kept for the backward pass.

    Args:
        pred: (B, K, H, W) float32 or float64.
        target: (B, K, H, W), of the same type.
        scales: (B, K, H, W), of the same type, or None.
        mask: (B, 1, H, W) bool or float, or None.
        weight_shift: (B, K, H, W), of the same type, or None.
        gamma: Hardness γ of the soft foreground.
    """
    loss: Tensor = _SparseHeatmapLoss.apply(pred, target, scales, mask, weight_shift, gamma)
    return loss


class _SparseHeatmapLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        pred: Tensor,
        target: Tensor,
        scales: Tensor | None,
        mask: Tensor | None,
        weight_shift: Tensor | None,
        gamma: float,
    ) -> Tensor:
        grad_pred = torch.empty_like(pred, memory_format=torch.contiguous_format)
        grad_shift = None if weight_shift is None else torch.empty_like(grad_pred)
        share = 1 / pred.numel()  # of a pixel in the mean
        total = pred.new_zeros(())
        # image by image: what is computed on the way stays in the processor's cache
        for image in range(len(pred)):
            weight = share if mask is None else mask[image].to(pred.dtype) * share
            if weight_shift is None or grad_shift is None:
                total += _background(pred[image], weight, grad_pred[image])
            else:
                total += _shifted_background(
                    pred[image], weight, weight_shift[image], grad_pred[image], grad_shift[image]
                )

        index = foreground_index(target, mask)
        at = index.flat
        foreground = _foreground(
            take(pred, at),
            take(target, at),
            None if scales is None else take(scales, at),
            None if weight_shift is None else take(weight_shift, at),
            weights_at(mask, index, pred.dtype, share),
            gamma,
        )
        total += foreground.loss
        put(grad_pred, at, foreground.grad_pred)
        if grad_shift is not None and foreground.grad_shift is not None:
            put(grad_shift, at, foreground.grad_shift)
        ctx.save_for_backward(grad_pred, at, foreground.grad_scales, grad_shift)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        grad_pred, at, grad_at_index, grad_shift = ctx.saved_tensors
        grad_scales = None
        if grad_at_index is not None:
            grad_scales = torch.zeros_like(grad_pred)
            put(grad_scales, at, grad_at_index * grad_loss)
        # the usual factor is 1, and a pass over the maps not to be wasted
        if grad_loss != 1:
            grad_pred = grad_pred * grad_loss
            grad_shift = None if grad_shift is None else grad_shift * grad_loss
        return grad_pred, None, grad_scales, None, grad_shift, None


def _background(pred: Tensor, weight: Tensor | float, grad_pred: Tensor) -> Tensor:
    """Loss of an image as if all of it were background; the gradient goes to ``grad_pred``."""
    torch.abs(pred, out=grad_pred)
    grad_pred.mul_(pred)
    grad_pred.mul_(weight * 3)
    return torch.linalg.vecdot(grad_pred.flatten(), pred.flatten()) / 3


def _shifted_background(
    pred: Tensor,
    weight: Tensor | float,
    shift: Tensor,
    grad_pred: Tensor,
    grad_shift: Tensor,
) -> Tensor:
    """As :func:`_background`, with a shift of the soft foreground."""
    pixel_weight, slope, contrast = _weight_and_slopes(pred, shift.clamp(0, 1))
    squared = pred**2
    torch.mul(squared, contrast, out=grad_shift)
    grad_shift.mul_(_clamp_passes(shift)).mul_(weight)
    torch.mul(pixel_weight, pred, out=grad_pred)
    grad_pred.mul_(weight)
    loss = torch.linalg.vecdot(grad_pred.flatten(), pred.flatten())
    grad_pred.mul_(2).addcmul_(slope.mul_(weight), squared)
    return loss


def _weight_and_slopes(p: Tensor, soft: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The pixel weight, and its derivatives along P and along the soft foreground."""
    q = p - 1
    as_people, as_rest = q.abs(), p.abs()
    weight = torch.lerp(as_rest, as_people, soft)
    slope = torch.lerp(p.sign(), q.sign(), soft)
    return weight, slope, as_people.sub_(as_rest)


def _clamp_passes(shifted: Tensor) -> Tensor:
    """Where clamping to [0, 1] lets the gradient through: between its bounds, them included."""
    return (shifted >= 0) & (shifted <= 1)


def _foreground(
    p: Tensor,
    g: Tensor,
    a: Tensor | None,
    s: Tensor | None,
    weight: Tensor | float,
    gamma: float,
) -> _Pixels:
    """Pixels with G > 0, (M,): the formulas there, less the loss that they had as background."""
    log_g = g.log()
    shifted = (log_g * gamma).exp_()  # G^γ
    # without a shift it is not clamped, as in the plain formula
    soft = shifted if s is None else shifted.add_(s).clamp(0, 1)
    pixel_weight, weight_slope, contrast = _weight_and_slopes(p, soft)
    fitted, fitted_slope = g, None
    if a is not None:
        exponent = a * log_g
        rising = exponent + 1
        fitted = torch.addcmul(rising, exponent, exponent, value=0.5).mul_(g)
        fitted_slope = rising.mul_(log_g).mul_(g)  # along α
    difference = p - fitted
    squared = difference**2
    pixel_weight *= weight
    weighted = pixel_weight * difference
    loss = torch.dot(weighted, difference) - _background_loss(p, s, weight)
    grad_shift = None
    if s is not None:
        grad_shift = contrast.mul_(squared).mul_(_clamp_passes(shifted)).mul_(weight)
    return _Pixels(
        loss=loss,
        grad_pred=weight_slope.mul_(squared).mul_(weight).add_(weighted, alpha=2),
        grad_scales=None if fitted_slope is None else fitted_slope.mul_(weighted).mul_(-2),
        grad_shift=grad_shift,
    )


def _background_loss(p: Tensor, s: Tensor | None, weight: Tensor | float) -> Tensor:
    """What the pixels (M,) were counted for as background."""
    pixel_weight = p.abs() if s is None else _weight_and_slopes(p, s.clamp(0, 1))[0]
    return torch.dot(pixel_weight.mul_(weight), p * p)
