"""Training targets from keypoint coordinates (pure functions)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def support_radius(sigma: float) -> int:
    """Half the side of the official (6σ+3)×(6σ+3) square that a target is cut to, in pixels."""
    return int(3 * sigma + 1)


def keypoint_centers(
    keypoints: np.ndarray,
    visible: np.ndarray,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
) -> np.ndarray:
    """The map pixel of each keypoint that is visible and inside the map.

    Map coordinates are truncated towards zero, as in the official implementation; decoding makes
    up for it by adding half a pixel.

    Args:
        keypoints: (N, K, 2), x and y in input pixels.
        visible: (N, K), positive where the keypoint is labelled.
        input_size: (w, h) of the network input in pixels.
        map_size: (w, h) of the map in pixels.

    Returns:
        (N, K, 2) int32, x and y in map pixels, −1 where not visible or outside.

    Examples:
        >>> person = np.array([[[9.0, 3.0], [70.0, 3.0]]])
        >>> keypoint_centers(person, np.ones((1, 2)), (64, 64), (16, 16))
        array([[[ 2,  0],
                [-1, -1]]], dtype=int32)
    """
    scale = np.asarray(map_size, dtype=np.float64) / np.asarray(input_size, dtype=np.float64)
    coordinates = np.trunc(np.asarray(keypoints, dtype=np.float64) * scale)
    inside = ((coordinates >= 0) & (coordinates < map_size)).all(axis=-1)
    drawn = inside & (np.asarray(visible) > 0)
    return np.where(drawn[..., None], coordinates, -1).astype(np.int32)


def keypoint_indices(centers: np.ndarray, map_size: tuple[int, int]) -> np.ndarray:
    """Where each keypoint's tag is read: (y·W + x, 1), or zeros where there is no centre.

    Args:
        centers: (N, K, 2) int, x and y in map pixels, negative where there is no keypoint.
        map_size: (w, h) of the map in pixels.

    Returns:
        (N, K, 2) int64.

    Examples:
        >>> keypoint_indices(np.array([[[5, 2], [-1, -1]]]), (16, 16)).tolist()
        [[[37, 1], [0, 0]]]
    """
    x, y = np.moveaxis(centers.astype(np.int64), -1, 0)
    drawn = x >= 0
    return np.stack([np.where(drawn, y * map_size[0] + x, 0), drawn], axis=-1)


def render_heatmaps(centers: Tensor, map_size: tuple[int, int], sigma: float) -> Tensor:
    """Per keypoint the maximum of all people's Gaussians, on the device that the centres are on.

    Nothing here is copied from the host or waits for the device.

    Args:
        centers: (B, N, K, 2) int, x and y in map pixels, negative where there is no keypoint.
        map_size: (w, h) of the maps in pixels.
        sigma: Standard deviation of the Gaussians in map pixels.

    Returns:
        (B, K, H, W) float32.

    Examples:
        >>> maps = render_heatmaps(torch.tensor([[[[5, 2]]]]), (16, 16), sigma=2.0)
        >>> [round(maps[0, 0, 2, x].item(), 3) for x in (5, 6, 7, 14)]
        [1.0, 0.882, 0.607, 0.0]
    """
    w, h = map_size
    batch_size, num_people, num_keypoints, _ = centers.shape
    radius = support_radius(sigma)
    offset = torch.arange(-radius, radius + 1, device=centers.device)
    x = centers[..., 0, None, None] + offset  # (B, N, K, 1, 2r+1)
    y = centers[..., 1, None, None] + offset[:, None]  # (B, N, K, 2r+1, 1)
    drawn = (x >= 0) & (x < w) & (y >= 0) & (y < h) & (centers[..., :1, None] >= 0)
    # what is not drawn goes to a place behind each map
    index = torch.where(drawn, y * w + x, h * w).permute(0, 2, 1, 3, 4).flatten(2).long()
    squared_distance = offset[:, None] ** 2 + offset**2
    patch = torch.exp(squared_distance / (-2.0 * sigma**2))
    values = patch.flatten().repeat(num_people).expand(batch_size, num_keypoints, -1)
    heatmaps = patch.new_zeros(batch_size, num_keypoints, h * w + 1)
    heatmaps.scatter_reduce_(2, index, values, "amax")
    return heatmaps[..., :-1].reshape(batch_size, num_keypoints, h, w)
