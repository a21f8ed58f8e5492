"""Maps images to network inputs, and keypoints back to the image (NumPy and OpenCV)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..layout import TEST_SIZE_DIVISOR

#: OpenCV's affine maps take no longer sides.
_LONGEST_SIDE = 32766

#: Beyond this the input would be over 16,000 pixels long at 512 pixels of the short side.
_MAX_ASPECT_RATIO = 32

#: How images of so many channels become BGR.
_TO_BGR = {1: cv2.COLOR_GRAY2BGR, 3: None, 4: cv2.COLOR_BGRA2BGR}


def to_three_channels(image: np.ndarray) -> np.ndarray:
    """A BGR image (H, W, 3) of a grey, BGR or BGRA one, which later steps need not check.

    Raises:
        ValueError: If the image is empty, has another number of channels or dimensions, or a side
            is too long for OpenCV.

    Examples:
        >>> to_three_channels(np.zeros((4, 6), np.uint8)).shape
        (4, 6, 3)
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise ValueError(
            "An image must be an array of uint8, as cv2.imread gives it, but got "
            f"{getattr(image, 'dtype', type(image).__name__)}. (cv2.imread gives None for a file "
            "that it can't read.)"
        )
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(
            "An image must be an array of shape (H, W), (H, W, 3) or (H, W, 4) with pixels in it, "
            f"but got {image.shape}."
        )
    height, width, channels = (*image.shape, 1)[:3]
    if channels not in _TO_BGR:
        raise ValueError(f"An image must have 1, 3 or 4 channels, but got {channels}.")
    if max(height, width) > _LONGEST_SIDE:
        raise ValueError(
            f"The image is {width}×{height} pixels, and OpenCV's affine maps take {_LONGEST_SIDE} "
            "at most. Make it smaller, or cut it into pieces."
        )
    conversion = _TO_BGR[channels]
    return image if conversion is None else cv2.cvtColor(image, conversion)


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

    Raises:
        ValueError: If the sides differ by a factor of more than 32.

    Examples:
        >>> pyramid_geometry((187, 250), 512, [1.0, 0.5, 2.0]).sizes
        [(512, 768), (256, 384), (1024, 1536)]
    """
    w, h = image_size
    if max(w, h) > _MAX_ASPECT_RATIO * min(w, h):
        raise ValueError(
            f"The image is {w}×{h} pixels. Its sides differ by a factor of more than "
            f"{_MAX_ASPECT_RATIO}, and the long one would become far too large when the short one "
            "is brought to the network's size. Cut it into pieces, or pad it."
        )
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


def fixed_geometry(image_size: tuple[int, int], input_size: tuple[int, int]) -> PyramidGeometry:
    """The whole image in the middle of an input whose size is given; the rest of it is black.

    Args:
        image_size: (w, h) of the image in pixels.
        input_size: (w, h) of the network input in pixels.

    Examples:
        >>> fixed_geometry((100, 50), (64, 64)).extent
        array([100., 100.], dtype=float32)
    """
    size, image = np.array(input_size), np.array(image_size)
    extent = size * (image / size).max()
    return PyramidGeometry([input_size], (image / 2).astype(np.float32), extent.astype(np.float32))


def show(image: np.ndarray, geometry: PyramidGeometry, size: tuple[int, int]) -> np.ndarray:
    """The part of an image that an input of ``size`` (w, h) shows, black beyond the image.

    The affine map is the official one: three points, in float32.

    Examples:
        >>> image = np.full((50, 100, 3), 255, np.uint8)
        >>> shown = show(image, fixed_geometry((100, 50), (64, 64)), (64, 64))
        >>> shown[[0, 32], 32, 0].tolist()
        [0, 255]
    """
    center, half_width = geometry.center, np.float32(geometry.extent[0] * 0.5)
    w, h = size
    source = np.array([center, center - [half_width, 0], center - [half_width, -half_width]])
    target = np.array([[w * 0.5, h * 0.5], [0, h * 0.5], [0, h * 0.5 + w * 0.5]])
    warp = cv2.getAffineTransform(np.float32(source), np.float32(target))
    return cv2.warpAffine(image, warp, size)


def to_image(points: np.ndarray, geometry: PyramidGeometry) -> np.ndarray:
    """Points (…, 2), x and y in pixels of the first input, to pixels of the image.

    Examples:
        >>> to_image(np.array([[32.0, 32.0]]), fixed_geometry((100, 50), (64, 64))).tolist()
        [[50.0, 25.0]]
    """
    extent = geometry.extent
    return points / geometry.sizes[0] * extent + geometry.center - 0.5 * extent
