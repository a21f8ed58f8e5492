"""Test-time resizing to one scale or several that line up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_warp_matrix

from ...layout import BACKBONE_STRIDE, TEST_SIZE_DIVISOR
from .color_channels import to_three_channels

#: Beyond this the input would be over 16,000 pixels long at 512 pixels of the short side.
_MAX_ASPECT_RATIO = 32


@dataclass(frozen=True)
class PyramidGeometry:
    """Sizes of a pyramid, and the part of the image that it shows.

    Attributes:
        sizes: (w, h) of each scale's network input in pixels, in the order of the scales.
        center: Image pixel (x, y) in the middle of the inputs.
        extent: (w, h) of the image region that the inputs show, in image pixels.
    """

    sizes: list[tuple[int, int]]
    center: np.ndarray
    extent: np.ndarray


def pyramid_geometry(
    image_size: tuple[int, int], input_size: int, scales: Sequence[float]
) -> PyramidGeometry:
    """The official sizes: those of the smallest scale are rounded up, the others multiples of it.

    The short side becomes ``input_size`` at scale 1, the long one what the aspect ratio gives,
    rounded up to a multiple of 64 at the smallest scale; the border beyond the image is black.

    Args:
        image_size: (w, h) of the image in pixels.
        input_size: Length of the short side at scale 1 in pixels.
        scales: Scale factors.

    Examples:
        >>> pyramid_geometry((187, 250), 512, [1.0, 0.5, 2.0]).sizes
        [(512, 768), (256, 384), (1024, 1536)]
    """
    w, h = image_size
    smallest = min(scales)
    short_side = _round_up(smallest * input_size)
    long_side = _round_up(short_side / min(w, h) * max(w, h))
    sizes = []
    for scale in scales:
        short, long = (round(side * scale / smallest) for side in (short_side, long_side))
        sizes.append((short, long) if w < h else (long, short))
    center = np.array([int(w / 2 + 0.5), int(h / 2 + 0.5)], dtype=np.float32)
    short, long = sorted(sizes[0])
    extent = np.array([w, long / short * w] if w < h else [long / short * h, h], dtype=np.float32)
    return PyramidGeometry(sizes, center, extent)


def _round_up(length: float) -> int:
    """To a multiple of 64, fractions of a pixel cut off as in the official implementation."""
    return int((length + TEST_SIZE_DIVISOR - 1) // TEST_SIZE_DIVISOR * TEST_SIZE_DIVISOR)


def _check_aspect_ratio(image_size: tuple[int, int]) -> None:
    if max(image_size) > _MAX_ASPECT_RATIO * min(image_size):
        w, h = image_size
        raise ValueError(
            f"The picture is {w}×{h} pixels. Its sides differ by a factor of more than "
            f"{_MAX_ASPECT_RATIO}, and the long one would become far too large when the short one "
            "is brought to the network's size. Cut it into pieces, or pad it."
        )


def _check_steps(scales: Sequence[float]) -> None:
    """Sides at the smallest scale are multiples of 64; the network needs multiples of 32."""
    step = min(scales) * BACKBONE_STRIDE / TEST_SIZE_DIVISOR
    for scale in scales:
        if abs(scale / step - round(scale / step)) > 1e-6:
            below = scale // step * step
            raise ValueError(
                f"`scales` {tuple(scales)}: {scale} is not a multiple of {step:g}, half of the "
                "smallest scale, so that its maps would not line up with the others'. Use "
                f"{below:g} or {below + step:g}, or change the smallest."
            )


@TRANSFORMS.register_module()
class BottomupPyramidResize(BaseTransform):
    """Resize the image for test, to one scale or a pyramid (official sizes and affine maps).

    Grey pictures and such with an alpha channel become colour pictures.

    Required keys: ``img``. Modified keys: ``img``, an array, or with several scales a list of
    them, scale 1 first; ``img_shape`` (h, w) of scale 1. Added keys: ``input_size`` (w, h) of
    scale 1, ``input_center`` and ``input_scale``, the image region that it shows in image pixels;
    with several scales ``aug_scales``, the factors of all but the first.

    Args:
        input_size: Length of the short side at scale 1 in pixels; of a pair (w, h) the shorter.
        scales: Scale factors for multi-scale test, with 1, from which the tags are taken.

    Raises:
        ValueError: If the scales do not contain 1, are not positive or name one twice, the short
            side is not a multiple of 64 at the smallest scale, or the other scales are not
            multiples of half of the smallest; in use if a picture's sides differ by a factor of
            more than 32.
    """

    def __init__(self, input_size: int | tuple[int, int], scales: Sequence[float] = (1.0,)) -> None:
        super().__init__()
        self.input_size = input_size if isinstance(input_size, int) else min(input_size)
        if 1 not in scales or min(scales) <= 0 or len(set(scales)) != len(scales):
            raise ValueError(
                "`scales` must be different positive factors with 1 among them (the tags are "
                f"taken from scale 1), but got {tuple(scales)}."
            )
        if min(scales) * self.input_size % TEST_SIZE_DIVISOR:
            raise ValueError(
                f"`input_size` {self.input_size} at the smallest of the `scales`, {min(scales)}, "
                f"is not a multiple of {TEST_SIZE_DIVISOR} pixels. Change either."
            )
        _check_steps(scales)
        self.scales = [1.0, *sorted(float(scale) for scale in scales if scale != 1)]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize the image."""
        img = to_three_channels(results["img"])
        h, w = img.shape[:2]
        _check_aspect_ratio((w, h))
        geometry = pyramid_geometry((w, h), self.input_size, self.scales)
        images = [
            cv2.warpAffine(
                img, get_warp_matrix(geometry.center, geometry.extent, 0, output_size=size), size
            )
            for size in geometry.sizes
        ]
        results["input_size"] = geometry.sizes[0]
        results["img_shape"] = geometry.sizes[0][::-1]
        results["input_center"] = geometry.center
        results["input_scale"] = geometry.extent
        if len(images) > 1:
            results["img"] = images
            results["aug_scales"] = self.scales[1:]
        else:
            results["img"] = images[0]
        return results
