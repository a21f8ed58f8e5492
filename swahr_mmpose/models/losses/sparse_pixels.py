"""Pixels of people, which are few, as flat indices."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PixelIndex(NamedTuple):
    """Pixels of (B, K, H, W) maps.

    Attributes:
        flat: (M,) indices into the flattened maps.
        shape: The maps' shape.
    """

    flat: Tensor
    shape: torch.Size


def foreground_index(target: Tensor) -> PixelIndex:
    """The pixels of (B, K, H, W) heatmaps with G > 0."""
    return PixelIndex((target > 0).flatten().nonzero().squeeze(1), target.shape)


def mask_at(mask: Tensor | None, index: PixelIndex, like: Tensor) -> Tensor:
    """Values (M,) of a (B, 1, H, W) mask at the pixels, ones without a mask."""
    if mask is None:
        return torch.ones_like(like)
    _, num_keypoints, height, width = index.shape
    pixels = height * width
    image = index.flat.div(num_keypoints * pixels, rounding_mode="floor")
    # flat = (image · K + k) · pixels + pixel
    return mask.flatten()[image * pixels + index.flat % pixels].to(like.dtype)
