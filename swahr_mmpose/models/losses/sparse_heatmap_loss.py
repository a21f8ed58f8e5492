"""The heatmap loss on the CPU: logarithms and powers at the pixels of people only."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .pixel_weight import pixel_weight
from .sparse_pixels import foreground_index, mask_at, put, take


class _Pixels(NamedTuple):
    """Loss of some pixels and its gradients, all of one shape."""

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

    Gaussians cover a few hundredths of the maps; elsewhere :math:`G = G' = 0`, and without a shift
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
        total = pred.new_zeros(())
        # image by image: what is computed on the way stays in the processor's cache
        for image in range(len(pred)):
            image_mask = None if mask is None else mask[image].to(pred.dtype)
            if weight_shift is None or grad_shift is None:
                total += _background(pred[image], image_mask, grad_pred[image])
            else:
                total += _shifted_background(
                    pred[image],
                    image_mask,
                    weight_shift[image],
                    grad_pred[image],
                    grad_shift[image],
                )

        index = foreground_index(target)
        at = index.flat
        p, g = take(pred, at), take(target, at)
        a = None if scales is None else take(scales, at)
        s = None if weight_shift is None else take(weight_shift, at)
        weight = mask_at(mask, index, p)
        foreground = _foreground(p, g, a, s, gamma)
        # what these pixels were counted for as background is taken back
        total += ((foreground.loss - _background_weight(p, s) * p**2) * weight).sum()
        put(grad_pred, at, foreground.grad_pred * weight)
        if grad_shift is not None and foreground.grad_shift is not None:
            put(grad_shift, at, foreground.grad_shift * weight)
        grad_scales = None
        if foreground.grad_scales is not None:
            grad_scales = foreground.grad_scales * weight
        ctx.save_for_backward(grad_pred, at, grad_scales, grad_shift)
        return total / pred.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        grad_pred, at, grad_at_index, grad_shift = ctx.saved_tensors
        factor = grad_loss / grad_pred.numel()
        grad_scales = None
        if grad_at_index is not None:
            grad_scales = torch.zeros_like(grad_pred)
            put(grad_scales, at, grad_at_index * factor)
        grad_shift = None if grad_shift is None else grad_shift * factor
        return grad_pred * factor, None, grad_scales, None, grad_shift, None


def _background(pred: Tensor, mask: Tensor | None, grad_pred: Tensor) -> Tensor:
    """Loss of an image as if all of it were background; the gradient goes to ``grad_pred``."""
    torch.abs(pred, out=grad_pred)
    grad_pred.mul_(pred)
    if mask is not None:
        grad_pred.mul_(mask)
    loss = torch.linalg.vecdot(grad_pred.flatten(), pred.flatten())
    grad_pred.mul_(3)
    return loss


def _shifted_background(
    pred: Tensor, mask: Tensor | None, shift: Tensor, grad_pred: Tensor, grad_shift: Tensor
) -> Tensor:
    """As :func:`_background`, with a shift of the soft foreground."""
    soft = shift.clamp(0, 1)
    torch.mul(pixel_weight(pred, soft), pred, out=grad_pred)
    torch.mul(pred**2, (1 - pred).abs() - pred.abs(), out=grad_shift)
    # clamping lets the gradient through between its bounds, them included
    grad_shift.mul_((shift >= 0) & (shift <= 1))
    slope = _weight_slope(pred, soft) * pred**2
    if mask is not None:
        for part in (grad_pred, grad_shift, slope):
            part.mul_(mask)
    loss = torch.linalg.vecdot(grad_pred.flatten(), pred.flatten())
    grad_pred.mul_(2).add_(slope)
    return loss


def _background_weight(p: Tensor, shift: Tensor | None) -> Tensor:
    if shift is None:
        return p.abs()
    return pixel_weight(p, shift.clamp(0, 1))


def _weight_slope(p: Tensor, soft: Tensor) -> Tensor:
    """Derivative of :func:`pixel_weight` along P."""
    return (1 - soft) * p.sign() - soft * (1 - p).sign()


def _foreground(p: Tensor, g: Tensor, a: Tensor | None, s: Tensor | None, gamma: float) -> _Pixels:
    """The formulas at M pixels with G > 0: P, G, α and δ there."""
    fitted, slope = g, None
    log_g = g.log()
    if a is not None:
        exponent = a * log_g
        fitted = g * (1 + exponent + 0.5 * exponent**2)
        slope = g * log_g * (1 + exponent)  # of the fitted target along α
    shifted = (gamma * log_g).exp()  # G^γ
    if s is not None:
        shifted = shifted + s
    soft = shifted.clamp(0, 1)
    weight = pixel_weight(p, soft)
    difference = p - fitted
    squared = difference**2
    grad_shift = None
    if s is not None:
        grad_shift = squared * ((1 - p).abs() - p.abs()) * ((shifted >= 0) & (shifted <= 1))
    return _Pixels(
        loss=weight * squared,
        grad_pred=difference * (2 * weight + _weight_slope(p, soft) * difference),
        grad_scales=None if slope is None else -2 * weight * difference * slope,
        grad_shift=grad_shift,
    )
