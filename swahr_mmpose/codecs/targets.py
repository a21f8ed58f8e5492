"""Heatmaps and keypoint indices from keypoint coordinates (pure functions on arrays)."""

from __future__ import annotations

import numpy as np


def support_radius(sigma: float) -> int:
    """Half the side of the square that a target Gaussian is cut to, in map pixels.

    The official implementation draws (6σ+3)×(6σ+3) patches: 3σ+1 pixels to each side.

    Examples:
        >>> support_radius(2.0)
        7
    """
    return int(3 * sigma + 1)


def gaussian_patch(sigma: float) -> np.ndarray:
    """The target Gaussian on its square support, (2r+1, 2r+1) float32, 1 at the centre."""
    radius = support_radius(sigma)
    offsets = np.arange(-radius, radius + 1, dtype=np.float64)
    squared_distance = offsets[:, None] ** 2 + offsets[None, :] ** 2
    return np.exp(-squared_distance / (2 * sigma**2)).astype(np.float32)


def keypoint_centers(
    keypoints: np.ndarray,
    visible: np.ndarray,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """The map pixel of each keypoint, and whether it is visible and inside the map.

    Map coordinates are truncated towards zero, as in the official implementation; decoding makes
    up for it by adding half a pixel.

    Args:
        keypoints: (N, K, 2), x and y in input pixels.
        visible: (N, K), positive where the keypoint is labelled.
        input_size: (w, h) of the network input in pixels.
        map_size: (w, h) of the map in pixels.

    Returns:
        Centres (N, K, 2) int64, x and y in map pixels, and validity (N, K) bool.
    """
    scale = np.asarray(map_size, dtype=np.float64) / np.asarray(input_size, dtype=np.float64)
    coordinates = np.asarray(keypoints, dtype=np.float64) * scale
    finite = np.isfinite(coordinates).all(axis=-1)
    centers = np.trunc(np.where(finite[..., None], coordinates, -1)).astype(np.int64)
    w, h = map_size
    x, y = centers[..., 0], centers[..., 1]
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    return centers, inside & finite & (np.asarray(visible) > 0)


def render_heatmaps(
    centers: np.ndarray, valid: np.ndarray, map_size: tuple[int, int], sigma: float
) -> np.ndarray:
    """Heatmaps (K, H, W) float32: per keypoint the maximum of all people's Gaussians.

    Args:
        centers: (N, K, 2) int, x and y in map pixels.
        valid: (N, K) bool, which keypoints to draw.
        map_size: (w, h) of the maps in pixels.
        sigma: Standard deviation of the Gaussians in map pixels.
    """
    w, h = map_size
    radius = support_radius(sigma)
    patch = gaussian_patch(sigma)
    heatmaps = np.zeros((centers.shape[1], h, w), dtype=np.float32)
    for n, k in np.argwhere(valid):
        x, y = centers[n, k]
        left, top = max(x - radius, 0), max(y - radius, 0)
        right, bottom = min(x + radius + 1, w), min(y + radius + 1, h)
        region = heatmaps[k, top:bottom, left:right]
        visible_patch = patch[
            top - y + radius : bottom - y + radius, left - x + radius : right - x + radius
        ]
        np.maximum(region, visible_patch, out=region)
    return heatmaps


def keypoint_indices(
    centers: np.ndarray, valid: np.ndarray, map_size: tuple[int, int]
) -> np.ndarray:
    """Where each keypoint's tag is read, (N, K, 2) int64: (y·W + x, 1), or zeros if not valid."""
    indices = centers[..., 1] * map_size[0] + centers[..., 0]
    return np.stack([np.where(valid, indices, 0), valid.astype(np.int64)], axis=-1)
