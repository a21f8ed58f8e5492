"""Shape checks, precision and mask of the losses."""

from __future__ import annotations

import torch
from torch import Tensor


def check_same_shape(name: str, maps: Tensor, reference_name: str, reference: Tensor) -> None:
    """Raise a ValueError unless ``maps`` is (B, K, H, W) and of the reference's shape.

    Examples:
        >>> check_same_shape("target", torch.ones(1, 17, 8, 8), "pred", torch.ones(1, 14, 8, 8))
        Traceback (most recent call last):
            ...
        ValueError: `target` must be of shape (B, K, H, W) like `pred`, (1, 14, 8, 8), but got ...
    """
    if maps.ndim != 4 or maps.shape != reference.shape:
        raise ValueError(
            f"`{name}` must be of shape (B, K, H, W) like `{reference_name}`, "
            f"{tuple(reference.shape)}, but got {tuple(maps.shape)}."
        )


def check_mask(mask: Tensor | None, maps: Tensor) -> None:
    """Raise a ValueError unless ``mask`` is None or (B, 1, H, W) for ``maps`` (B, K, H, W).

    Examples:
        >>> check_mask(torch.ones(1, 8, 8), torch.ones(1, 17, 8, 8))
        Traceback (most recent call last):
            ...
        ValueError: `mask` must be of shape (1, 1, 8, 8), but got (1, 8, 8).
    """
    if mask is None:
        return
    expected = (maps.shape[0], 1, *maps.shape[2:])
    if mask.shape != expected:
        raise ValueError(f"`mask` must be of shape {expected}, but got {tuple(mask.shape)}.")


def at_least_float32(maps: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 as they are.

    Logarithm and power lose all meaning in half precision, where G^γ takes a handful of values.

    Examples:
        >>> at_least_float32(torch.ones(1, dtype=torch.float16)).dtype
        torch.float32
    """
    return maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps


def masked_mean(loss: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over all pixels of (B, K, H, W), those that the (B, 1, H, W) mask leaves out as 0.

    Examples:
        >>> mask = torch.tensor([[[[1.0, 0.0]]]])
        >>> masked_mean(torch.tensor([[[[2.0, 4.0]]]]), mask).item()
        1.0
    """
    return loss.mean() if mask is None else (loss * mask).mean()
