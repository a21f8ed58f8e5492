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

    Known by the tensors themselves and their versions, so that neither others in the same memory
    nor such that were changed are taken for them.
    """

    def __init__(self) -> None:
        self._tensors: tuple[weakref.ref[Tensor], ...] = ()
        self._versions: tuple[int, ...] = ()
        self._index: PixelIndex | None = None

    def get(self, *tensors: Tensor) -> PixelIndex:
        """The index of the target, and mask where there is one."""
        versions = tuple(tensor._version for tensor in tensors)
        known = len(tensors) == len(self._tensors) and all(
            last() is tensor for last, tensor in zip(self._tensors, tensors, strict=True)
        )
        if not known or versions != self._versions or self._index is None:
            self._index = _find(*tensors)
            self._tensors, self._versions = tuple(map(weakref.ref, tensors)), versions
        return self._index


def _find(target: Tensor, mask: Tensor | None = None) -> PixelIndex:
    found = target > 0
    if mask is not None:
        found &= mask.bool()
    # NumPy finds them faster than torch does
    return PixelIndex(torch.from_numpy(np.flatnonzero(found.numpy())), target.shape)


_last_index = _LastIndex()


def foreground_index(target: Tensor, mask: Tensor | None) -> PixelIndex:
    """The pixels of (B, K, H, W) heatmaps on the CPU with G > 0 that the mask lets count."""
    return _last_index.get(target) if mask is None else _last_index.get(target, mask)


def take(maps: Tensor, flat: Tensor) -> Tensor:
    """Values (M,) of maps at flat indices."""
    return maps.reshape(-1).index_select(0, flat)


def put(maps: Tensor, flat: Tensor, values: Tensor) -> None:
    """Write values (M,) into contiguous maps at flat indices."""
    maps.view(-1).scatter_(0, flat, values)


def weights_at(
    mask: Tensor | None, index: PixelIndex, dtype: torch.dtype, share: float
) -> Tensor | float:
    """``share`` times the (B, 1, H, W) mask at the pixels, (M,); one number where all are 1."""
    if mask is None or mask.dtype == torch.bool:
        return share  # others are not in the index
    return take(mask.expand(index.shape), index.flat).to(dtype) * share
