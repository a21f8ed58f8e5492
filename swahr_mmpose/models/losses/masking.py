"""Shape checks, precision and mask of the losses."""

from __future__ import annotations

import torch
from torch import Tensor


def check_maps(
    reference_name: str, reference: Tensor, maps: dict[str, Tensor | None], mask: Tensor | None
) -> None:
    """Raise a ValueError unless all maps are (B, K, H, W) and alike, and the mask (B, 1, H, W).

    torch would broadcast them, to a loss that is wrong.

    Examples:
        >>> check_maps("pred", torch.ones(1, 17, 8, 8), {"target": torch.ones(1, 1, 8, 8)}, None)
        Traceback (most recent call last):
            ...
        ValueError: `target` must be of shape (B, K, H, W) like `pred`, (1, 17, 8, 8), but got ...
    """
    shape = tuple(reference.shape)
    for name, own in maps.items():
        if own is not None and (own.ndim != 4 or own.shape != shape):
            raise ValueError(
                f"`{name}` must be of shape (B, K, H, W) like `{reference_name}`, {shape}, but got "
                f"{tuple(own.shape)}."
            )
    expected = (shape[0], 1, *shape[2:])
    if mask is not None and mask.shape != expected:
        raise ValueError(f"`mask` must be of shape {expected}, but got {tuple(mask.shape)}.")


def at_least_float32(maps: Tensor) -> Tensor:
    """Half precision to float32; float32 and float64 as they are.

    Logarithm and power lose all meaning in half precision, where G^γ takes a handful of values.
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
