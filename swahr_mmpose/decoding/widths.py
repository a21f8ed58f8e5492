"""The width of each keypoint's Gaussian, as the scale branch predicts it."""

from __future__ import annotations

import numpy as np

from ..layout import STRIDES
from .finite_maps import check_finite

#: 1 + α is kept above this: the width of a Gaussian is unbounded as α goes to −1, and not defined
#: below. Widths are therefore at most four times the base width.
MIN_NARROWING = 1 / 16


def relative_widths(scales: np.ndarray) -> np.ndarray:
    r"""Predicted widths in multiples of the base width, :math:`1/\sqrt{1+\alpha}`."""
    widths: np.ndarray = 1 / np.sqrt(np.maximum(1 + scales, MIN_NARROWING))
    return widths


def keypoint_widths(
    keypoints: np.ndarray, scales: np.ndarray, map_size: tuple[int, int], sigma: float
) -> np.ndarray:
    r"""Predicted standard deviation :math:`\sigma_0/\sqrt{1+\alpha}` at each keypoint.

    Args:
        keypoints: (P, K, 2), x and y in input pixels.
        scales: (K, H, W), α at the finest resolution.
        map_size: (h, w) of the network input in pixels.
        sigma: Base width σ0 in map pixels.

    Returns:
        (P, K) float32, in input pixels.

    Raises:
        NotFiniteError: If a map holds NaN or infinity.

    Examples:
        >>> scales = np.full((1, 16, 16), 3.0, np.float32)
        >>> keypoint_widths(np.array([[[8.0, 8.0]]]), scales, (32, 32), sigma=2.0).tolist()
        [[2.0]]
    """
    check_finite("maps of widths", scales)
    num_keypoints, h, w = scales.shape
    if not len(keypoints):
        return np.zeros((0, num_keypoints), np.float32)
    x = np.clip(keypoints[..., 0] * w / map_size[1], 0, w - 1).astype(np.int64)
    y = np.clip(keypoints[..., 1] * h / map_size[0], 0, h - 1).astype(np.int64)
    alpha = scales[np.arange(num_keypoints), y, x]
    return (STRIDES[-1] * sigma * relative_widths(alpha)).astype(np.float32)
