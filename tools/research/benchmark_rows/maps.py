"""Maps of people that `tools/benchmark.py` decodes, as a trained network would give them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from swahr_mmpose.codecs import ScaleAdaptiveHeatmap

K = 17


def our_codec(size: int, **kwargs: Any) -> ScaleAdaptiveHeatmap:
    """Ours for a square input."""
    sizes = [(size // 4, size // 4), (size // 2, size // 2)]
    return ScaleAdaptiveHeatmap(input_size=(size, size), heatmap_sizes=sizes, **kwargs)


def people_in(size: int, num_people: int, rng: np.random.Generator) -> np.ndarray:
    """Keypoints (N, K, 2) of people spread over a square image, in pixels."""
    centers = rng.uniform(0.1 * size, 0.9 * size, (num_people, 1, 2))
    spread = size / (4 * np.sqrt(num_people))
    keypoints = centers + rng.uniform(-spread, spread, (num_people, K, 2))
    return keypoints.clip(0, size - 1)


def aggregated_maps(size: int, num_people: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps as a network gives them: peaks of different height, noise, one keypoint in ten weak."""
    rng = np.random.default_rng(num_people)
    codec = our_codec(size)
    keypoints = people_in(size, num_people, rng)
    encoded = codec.encode(keypoints)
    stride2 = torch.from_numpy(encoded["heatmaps"][1])[None]
    heights = torch.from_numpy(rng.uniform(0.3, 0.95, (1, K, size // 2, size // 2))).float()
    heights = torch.nn.functional.avg_pool2d(heights, 31, 1, 15)
    weak = torch.from_numpy(rng.random((1, K, 1, 1)) < 0.1)
    heatmaps = stride2 * heights * torch.where(weak, 0.1, 1.0)
    heatmaps = heatmaps + torch.rand_like(heatmaps) * 0.02
    tags = nearest_person(keypoints / 4, size // 4) * 2.0
    tags = torch.from_numpy(np.concatenate([tags, tags])[None]).float()
    resize = dict(size=(size, size), mode="bilinear", align_corners=False)
    tags = tags + torch.randn_like(tags) * 0.05
    return (
        torch.nn.functional.interpolate(heatmaps, **resize),
        torch.nn.functional.interpolate(tags, **resize),
    )


def nearest_person(keypoints: np.ndarray, size: int) -> np.ndarray:
    """For each keypoint the number of the person that is nearest, (K, H, W)."""
    y, x = np.mgrid[:size, :size]
    distance = (x - keypoints[..., :1, None]) ** 2 + (y - keypoints[..., 1:, None]) ** 2
    return distance.argmin(axis=0)


def sees_people(model: Any, num_people: int, device: str, size: int = 512) -> None:
    """Make a network of random weights decode maps of people, whatever it has computed."""
    maps = [part.to(device) for part in aggregated_maps(size, num_people)]
    decoder = model.head.decoder
    decode = decoder.read_people
    decoder.read_people = lambda *_, **__: decode(*maps)


def hard_maps(size: int) -> Iterator[tuple[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Maps that no trained network gives, by name: hundreds of people who are none."""
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.random((1, K, size, size), np.float32))
    tags = torch.from_numpy(rng.standard_normal((1, 2 * K, size, size), np.float32))
    yield "noise, tags of spread 1", (noise, tags)
    yield "noise, tags of spread 100", (noise, 100 * tags)
    yield "noise up to 10, tags of spread 100", (10 * noise, 100 * tags)
    high = noise.clone()
    high[..., size // 3, size // 3] = 1e6
    yield "noise and a pixel of 10⁶, tags of spread 100", (high, 100 * tags)
    yield "noise on a bias of 0.3", (0.3 + 0.05 * noise, 50 * tags)
    yield "saturated, tags of spread 100", (torch.ones_like(noise), 100 * tags)
    yield "single pixels, tags of spread 3000", (0.5 * (noise > 0.999).float(), 3000 * tags)
