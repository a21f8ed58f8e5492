"""Heatmaps from keypoints where they are used, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .targets import gaussian_patch, support_radius


def render_heatmaps_on_device(
    centers: Sequence[Tensor], map_size: tuple[int, int], sigma: float
) -> Tensor:
    """The heatmaps of :func:`render_heatmaps`, for a batch and without waiting for the device.

    Args:
        centers: Per image (N_i, K, 2) int, x and y in map pixels, negative where there is no
            keypoint.
        map_size: (w, h) of the maps in pixels.
        sigma: Standard deviation of the Gaussians in map pixels.

    Returns:
        (B, K, H, W) float32.
    """
    w, h = map_size
    padded = pad_sequence(list(centers), batch_first=True, padding_value=-1)
    batch_size, num_people, num_keypoints, _ = padded.shape
    radius = support_radius(sigma)
    offset = torch.arange(-radius, radius + 1, device=padded.device)
    x = padded[..., 0, None, None] + offset  # (B, N, K, 1, 2r+1)
    y = padded[..., 1, None, None] + offset[:, None]  # (B, N, K, 2r+1, 1)
    drawn = (x >= 0) & (x < w) & (y >= 0) & (y < h) & (padded[..., :1, None] >= 0)
    # what is not drawn goes to a place behind each map
    index = torch.where(drawn, y * w + x, h * w).permute(0, 2, 1, 3, 4).flatten(2).long()
    patch = torch.from_numpy(gaussian_patch(sigma)).to(padded.device)
    values = patch.flatten().repeat(num_people).expand(batch_size, num_keypoints, -1)
    heatmaps = torch.zeros(batch_size, num_keypoints, h * w + 1, device=padded.device)
    heatmaps.scatter_reduce_(2, index, values, "amax")
    return heatmaps[..., :-1].reshape(batch_size, num_keypoints, h, w)
