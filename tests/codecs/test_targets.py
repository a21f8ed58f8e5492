import math

import numpy as np
import pytest
import torch

from swahr_mmpose.codecs import ScaleAdaptiveHeatmap
from swahr_mmpose.codecs.targets import render_heatmaps

from ..helpers import codec_for, golden


@pytest.mark.parametrize("name", ["coco", "crowdpose"])
def test_targets_are_the_official_ones(name):
    numbers = golden(f"targets_{name}")
    size = int(numbers["input_size"])
    codec = codec_for((size, size), sigma=float(numbers["sigma"]))
    encoded = codec.encode(numbers["keypoints"], numbers["visible"])
    for level in (0, 1):
        # 1e-6: both round the same exponential to float32 once
        np.testing.assert_allclose(
            encoded["heatmaps"][level], numbers[f"heatmaps_{level}"], atol=1e-6
        )
        assert encoded["heatmaps"][level].dtype == np.float32
    indices = encoded["keypoint_indices"]
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(to_official(indices, (size // 4) ** 2), numbers["joints_0"])
    np.testing.assert_array_equal(encoded["keypoint_weights"], indices[..., 1])


def to_official(indices, map_pixels):
    """Per person the visible keypoints packed to the front, indices into the stack of maps."""
    num_people, num_keypoints, _ = indices.shape
    official = np.zeros((30, num_keypoints, 2), dtype=np.int64)
    for person in range(num_people):
        visible = np.flatnonzero(indices[person, :, 1])
        official[person, : len(visible), 0] = visible * map_pixels + indices[person, visible, 0]
        official[person, : len(visible), 1] = 1
    return official


def oracle_heatmap(size, points, sigma):
    """Straight from the definition, pixel by pixel."""
    w, h = size
    heatmap = np.zeros((h, w))
    for px, py in points:
        for y in range(h):
            for x in range(w):
                if max(abs(x - px), abs(y - py)) <= 3 * sigma + 1:
                    value = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
                    heatmap[y, x] = max(heatmap[y, x], value)
    return heatmap


def test_heatmaps_follow_the_definition():
    rng = np.random.default_rng(0)
    centers = rng.integers(-3, 35, size=(5, 2, 2))
    valid = ((centers >= 0) & (centers < (32, 24))).all(axis=-1)
    centers[~valid] = -1
    heatmaps = render_heatmaps(torch.from_numpy(centers)[None], (32, 24), 2.0)[0].numpy()
    for k in range(2):
        expected = oracle_heatmap((32, 24), centers[valid[:, k], k], 2.0)
        np.testing.assert_allclose(heatmaps[k], expected, atol=1e-6)


@pytest.mark.parametrize("num_people", [0, 3])
def test_people_without_labelled_keypoints_leave_empty_targets(num_people):
    codec = codec_for((64, 96))
    encoded = codec.encode(np.zeros((num_people, 17, 2)), np.zeros((num_people, 17)))
    assert [maps.shape for maps in encoded["heatmaps"]] == [(17, 24, 16), (17, 48, 32)]
    assert all((maps == 0).all() for maps in encoded["heatmaps"])
    assert encoded["keypoint_indices"].shape == (num_people, 17, 2)
    assert (encoded["keypoint_indices"] == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_keypoints_that_are_nowhere_are_not_drawn(value):
    keypoints = np.full((1, 2, 2), 30.0)
    keypoints[0, 0, 1] = value
    encoded = codec_for((64, 64)).encode(keypoints, np.ones((1, 2)))
    assert encoded["keypoint_weights"].tolist() == [[0, 1]]
    assert [maps[0].max() for maps in encoded["heatmaps"]] == [0, 0]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(heatmap_sizes=[(32, 32), (16, 16)]), r"strides \(4, 2\), in this order"),
        (dict(heatmap_sizes=[(16, 16)]), "those of the network's strides"),
        (dict(heatmap_sizes=[(16, 16), (64, 64)]), r"`heatmap_sizes=\[\(16, 16\), \(32, 32\)\]`"),
        (dict(input_size=(72, 64)), "width of `input_size` .* is 72, .* multiple of 32"),
        (dict(sigma=0), "`sigma` must be finite and positive"),
        (dict(sigma=math.inf), "`sigma` must be finite and positive"),
        (dict(sigma=math.nan), "`sigma` must be finite and positive"),
    ],
)
def test_wrong_options_are_named(kwargs, message):
    options = dict(dict(input_size=(64, 64), heatmap_sizes=[(16, 16), (32, 32)]), **kwargs)
    with pytest.raises(ValueError, match=message):
        ScaleAdaptiveHeatmap(**options)


def test_annotations_for_other_keypoints_are_named():
    codec = codec_for((64, 64), num_keypoints=17)
    with pytest.raises(ValueError, match="have 14 keypoints per person, but the codec is for"):
        codec.encode(np.zeros((1, 14, 2)), np.zeros((1, 14)))


@pytest.mark.parametrize("name", ["coco", "crowdpose"])
def test_heatmaps_rendered_from_keypoints_are_the_official_ones(name, device):
    numbers = golden(f"targets_{name}")
    size = int(numbers["input_size"])
    codec = codec_for((size, size), sigma=float(numbers["sigma"]), encode_heatmaps=False)
    encoded = codec.encode(numbers["keypoints"], numbers["visible"])
    assert "heatmaps" not in encoded
    assert encoded["target_sigma"] == float(numbers["sigma"])
    centers = torch.from_numpy(encoded["keypoint_centers"]).to(device)
    # a batch with an image without people
    for level in (0, 1):
        batch = torch.stack([centers[:, :, level], torch.full_like(centers[:, :, level], -1)])
        maps = render_heatmaps(batch, codec.heatmap_sizes[level], codec.sigma)
        np.testing.assert_allclose(maps[0].cpu().numpy(), numbers[f"heatmaps_{level}"], atol=1e-6)
        assert (maps[1] == 0).all()
