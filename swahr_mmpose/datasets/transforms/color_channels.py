"""Pictures of one, three or four channels to three."""

from __future__ import annotations

import cv2
import numpy as np


def to_three_channels(image: np.ndarray) -> np.ndarray:
    """A BGR picture (H, W, 3) of a grey, BGR or BGRA one.

    Raises:
        ValueError: If the picture is empty or has another number of channels or dimensions.
    """
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(
            "A picture must be an array of shape (H, W), (H, W, 3) or (H, W, 4) with pixels in it, "
            f"but got {image.shape}."
        )
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 3:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if channels == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    raise ValueError(f"A picture must have 1, 3 or 4 channels, but got {channels}.")
