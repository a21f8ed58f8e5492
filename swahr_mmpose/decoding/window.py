"""The part of the maps that shows the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def image_window(
    image_size: Sequence[int], input_size: Sequence[int], center: np.ndarray, extent: np.ndarray
) -> tuple[slice, slice]:
    """Rows and columns of the map pixels whose centres lie in the image.

    Around them is the border that brings the image to the network's size. Training masks it, so
    what the maps hold there means nothing.

    Args:
        image_size: (w, h) of the image in pixels.
        input_size: (w, h) of the network input, and of the maps, in pixels.
        center: Image pixel (x, y) in the middle of the input.
        extent: (w, h) of the image region that the input shows, in image pixels.

    Examples:
        >>> image_window((100, 50), (64, 64), np.array([50, 25]), np.array([100, 100]))
        (slice(16, 48, None), slice(0, 64, None))
    """
    corners = np.array([(0, 0), image_size]) - center + extent / 2
    bounds = np.ceil(corners / extent * input_size - 0.5).clip(0, input_size).astype(int)
    (left, top), (right, bottom) = bounds.tolist()
    return slice(top, bottom), slice(left, right)
