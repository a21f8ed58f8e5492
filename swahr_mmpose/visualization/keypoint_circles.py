"""Circles as wide as the keypoints' predicted Gaussians."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_SUBPIXEL_BITS = 4


def draw_keypoint_circles(
    image: np.ndarray,
    keypoints: np.ndarray,
    radii: np.ndarray,
    keypoint_scores: np.ndarray,
    colors: Sequence[Sequence[int]],
    score_threshold: float = 0.2,
) -> np.ndarray:
    """A copy of the image with one circle per keypoint.

    Args:
        image: (H, W, 3) uint8.
        keypoints: (P, K, 2), x and y in pixels of the image.
        radii: (P, K), in pixels of the image.
        keypoint_scores: (P, K).
        colors: K colours, in the image's channel order.
        score_threshold: Keypoints of lower score are left out.
    """
    drawn = image.copy()
    fixed_points = np.round(np.asarray(keypoints) * 2**_SUBPIXEL_BITS).astype(int)
    fixed_radii = np.maximum(np.round(np.asarray(radii) * 2**_SUBPIXEL_BITS), 1).astype(int)
    for person, k in np.argwhere(keypoint_scores >= score_threshold):
        x, y = fixed_points[person, k].tolist()
        color = [int(channel) for channel in colors[k]]
        radius = int(fixed_radii[person, k])
        cv2.circle(drawn, (x, y), radius, color, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    return drawn
