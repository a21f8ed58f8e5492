"""Pixels of people, which are few, as flat indices."""

from __future__ import annotations

import weakref
from typing import NamedTuple

import numpy as np
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


class _LastIndex:
    """The last target's pixels: the heatmap loss and the regulariser ask for the same ones.

    Known by the tensor itself and its version, so that neither another tensor in the same memory
    nor one that was changed is taken for it.
    """

    def __init__(self) -> None:
        self._target: weakref.ref[Tensor] | None = None
        self._version = -1
        self._index: PixelIndex | None = None

    def get(self, target: Tensor) -> PixelIndex:
        known = self._target is not None and self._target() is target
        if not known or self._version != target._version or self._index is None:
            # NumPy finds them faster than torch does
            flat = torch.from_numpy(np.flatnonzero((target > 0).numpy()))
            self._index = PixelIndex(flat, target.shape)
            self._target, self._version = weakref.ref(target), target._version
        return self._index


_last_index = _LastIndex()


def foreground_index(target: Tensor) -> PixelIndex:
    """The pixels of (B, K, H, W) heatmaps with G > 0, on the CPU."""
    return _last_index.get(target)


def take(maps: Tensor, flat: Tensor) -> Tensor:
    """Values (M,) of maps at flat indices."""
    return maps.reshape(-1).index_select(0, flat)


def put(maps: Tensor, flat: Tensor, values: Tensor) -> None:
    """Write values (M,) into contiguous maps at flat indices."""
    maps.view(-1).scatter_(0, flat, values)


def mask_at(mask: Tensor | None, index: PixelIndex, like: Tensor) -> Tensor:
    """Values (M,) of a (B, 1, H, W) mask at the pixels, ones without a mask."""
    if mask is None:
        return torch.ones_like(like)
    return take(mask.expand(index.shape), index.flat).to(like.dtype)
