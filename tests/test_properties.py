"""What must hold for any input: geometry that lines up, and no side, order or company that matters.

The inputs are the same in every run; ``tests/fuzz`` makes up new ones.
"""

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from swahr_mmpose.datasets import transforms
from swahr_mmpose.decoding import DecodeOptions, decode_people, find_candidates, group_people
from swahr_mmpose.models.aggregation import aggregate_maps, flip_back
from swahr_mmpose.models.outputs import HeadOutput

from .helpers import codec_for

anything = settings(deadline=None, derandomize=True, database=None)
SEEDS = st.integers(0, 2**32 - 1)


@settings(anything, max_examples=400)
@given(
    size=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    input_size=st.integers(1, 10).map(lambda n: 64 * n) | st.integers(1, 700),
    scales=st.lists(
        st.sampled_from([0.25, 1 / 3, 0.5, 0.75, 1, 1, 1.25, 1.5, 2]) | st.floats(0.1, 3),
        min_size=1,
        max_size=4,
    ),
)
def test_pyramids_line_up_or_are_refused(size, input_size, scales):
    """Inputs are multiples of what the network wants, and show one part of the image."""
    assume(max(size) <= 32 * min(size))
    try:
        resize = transforms.BottomupPyramidResize(input_size, scales)
    except ValueError:
        return
    h, w = min(size[1], 90), min(size[0], 90)
    assume(max(h, w) <= 32 * min(h, w))
    results = resize.transform(dict(img=np.zeros((h, w, 3), np.uint8)))
    images = results["img"] if isinstance(results["img"], list) else [results["img"]]
    (full_h, full_w), factors = images[0].shape[:2], [1.0, *results.get("aug_scales", [])]
    assert results["input_size"] == (full_w, full_h)
    assert min(full_w, full_h) >= input_size
    for image, factor in zip(images, factors):
        assert image.shape[0] % 32 == 0
        assert image.shape[1] % 32 == 0
        np.testing.assert_allclose(image.shape[:2], (full_h * factor, full_w * factor), atol=1e-6)
    shown = results["input_scale"]
    assert (shown >= np.array([w, h]) - 1e-3).all() or w == h
    np.testing.assert_allclose(shown[0] / shown[1], full_w / full_h, rtol=1e-5)


def people(rng, size, num_people, num_keypoints=17):
    keypoints = rng.uniform(-0.1 * size, 1.1 * size, (num_people, num_keypoints, 2))
    return keypoints, rng.integers(0, 3, (num_people, num_keypoints))


@settings(anything, max_examples=60)
@given(seed=SEEDS, num_people=st.integers(0, 8))
def test_targets_do_not_depend_on_the_order_of_people(seed, num_people):
    rng = np.random.default_rng(seed)
    codec = codec_for((128, 128))
    keypoints, visible = people(rng, 128, num_people)
    order = rng.permutation(num_people)
    encoded = codec.encode(keypoints, visible)
    again = codec.encode(keypoints[order], visible[order])
    for one, other in zip(encoded["heatmaps"], again["heatmaps"]):
        np.testing.assert_array_equal(one, other)
    for name in ("keypoint_indices", "keypoint_weights"):
        np.testing.assert_array_equal(encoded[name][order], again[name])


@settings(anything, max_examples=60)
@given(seed=SEEDS, num_people=st.integers(0, 5))
def test_targets_of_mirrored_people_are_mirrored(seed, num_people):
    rng = np.random.default_rng(seed)
    codec = codec_for((128, 96))
    keypoints, visible = people(rng, 96, num_people)
    # In the first of the pixels that a pixel of the map covers: truncated, it mirrors onto the
    # last. Not just beyond the border: from there truncation leads into the map on the left only.
    columns = rng.choice([-3, -2, *range(32), 33, 34], visible.shape)
    keypoints[..., 0] = 4 * columns + rng.uniform(0.01, 0.99, visible.shape)
    mirrored = keypoints.copy()
    mirrored[..., 0] = 127 - keypoints[..., 0]
    for one, other in zip(
        codec.encode(keypoints, visible)["heatmaps"], codec.encode(mirrored, visible)["heatmaps"]
    ):
        np.testing.assert_allclose(one, other[..., ::-1], atol=1e-6)


def maps(rng, size=(48, 64), num_keypoints=5):
    """Heatmaps (K, H, W) of blobs and noise without equal values, and tags (2, K, H, W)."""
    coarse = rng.random((num_keypoints, size[0] // 8, size[1] // 8)) ** 3
    heatmaps = np.kron(coarse, np.ones((8, 8))) * 0.7 + rng.random((num_keypoints, *size)) * 0.3
    tags = np.kron(rng.integers(0, 4, (2, num_keypoints, size[0] // 8, size[1] // 8)), np.ones(8))
    tags = np.repeat(tags, 8, axis=2) + rng.standard_normal((2, num_keypoints, *size)) * 0.1
    return heatmaps.astype(np.float32), tags.astype(np.float32)


def sorted_people(found):
    whole = np.concatenate([found.keypoints, found.keypoint_scores[..., None]], axis=-1)
    return whole[np.lexsort(found.keypoint_scores.T)]


GROUPINGS = st.sampled_from(["official", "score_first"])


@settings(anything, max_examples=60)
@given(seed=SEEDS, grouping=GROUPINGS, fill_missing=st.booleans())
def test_people_in_mirrored_maps_are_mirrored(seed, grouping, fill_missing):
    heatmaps, tags = maps(np.random.default_rng(seed))
    options = DecodeOptions(grouping=grouping, fill_missing=fill_missing)
    found = sorted_people(decode_people(heatmaps, tags, options))
    mirrored = sorted_people(decode_people(heatmaps[..., ::-1], tags[..., ::-1], options))
    known = mirrored[..., 2] > 0
    mirrored[known, 0] = heatmaps.shape[2] - mirrored[known, 0]
    np.testing.assert_allclose(found, mirrored, atol=1e-5)


@settings(anything, max_examples=60)
@given(seed=SEEDS, grouping=GROUPINGS)
def test_each_candidate_is_in_one_person(seed, grouping):
    heatmaps, tags = maps(np.random.default_rng(seed))
    options = DecodeOptions(grouping=grouping)
    candidates = find_candidates(heatmaps, tags, options)
    grouped, scores = group_people(candidates, options)
    assert len(grouped) == len(scores)
    for k, locations in enumerate(candidates.locations):
        own = grouped[grouped[:, k, 2] > 0, k, :2]
        assert len(np.unique(own, axis=0)) == len(own)
        assert {tuple(place) for place in own} <= {tuple(place) for place in locations}


ALL_OPTIONS = dict(
    decode_grouping="score_first",
    decode_pose_nms_thr=0.5,
    decode_min_score=0.1,
    decode_keypoint_sigmas=(0.1,) * 5,
)


@settings(anything, max_examples=10)
@given(seed=SEEDS, batch_size=st.integers(1, 4), options=st.sampled_from([{}, ALL_OPTIONS]))
def test_people_do_not_depend_on_the_batch(seed, batch_size, options):
    rng = np.random.default_rng(seed)
    pairs = [maps(rng) for _ in range(batch_size)]
    heatmaps = torch.from_numpy(np.stack([pair[0] for pair in pairs]))
    tags = torch.from_numpy(np.stack([pair[1] for pair in pairs])).flatten(1, 2)
    codec = codec_for((64, 64), decode_keypoint_order=range(5), **options)
    together = codec.batch_decode(heatmaps, tags)
    for index in range(batch_size):
        alone = codec.batch_decode(heatmaps[[index]], tags[[index]])
        for one, other in zip(together, alone):
            np.testing.assert_array_equal(one[index], other[0])


def outputs(generator, batch_size, size, num_keypoints=4):
    """What a head gives for inputs of a size (h, w)."""
    draw = lambda stride: torch.randn(  # noqa: E731
        batch_size, num_keypoints, size[0] // stride, size[1] // stride, generator=generator
    )
    return HeadOutput((draw(4), draw(2)), draw(4))


@settings(anything, max_examples=40)
@given(seed=SEEDS, batch_size=st.integers(1, 3), factors=st.sampled_from([(1,), (1, 0.5, 2)]))
def test_aggregated_maps_are_mirrored_with_the_input(seed, batch_size, factors):
    """What a network sees in the mirrored input first comes out mirrored; no image sees others."""
    generator = torch.Generator().manual_seed(seed)
    size, flip_indices = (64, 128), [1, 0, 2, 3]
    scales = []
    for factor in factors:
        own = [int(side * factor) for side in size]
        scales.append([outputs(generator, batch_size, own) for _ in range(2)])
    seen = aggregate_maps(scales, size, flip_indices)
    swapped = aggregate_maps([pair[::-1] for pair in scales], size, flip_indices)
    mirrored = flip_back(swapped.heatmaps, flip_indices)
    torch.testing.assert_close(seen.heatmaps, mirrored, atol=1e-5, rtol=1e-5)
    first, second = seen.tags.chunk(2, dim=1)
    tags = torch.cat([second, first], dim=1)
    torch.testing.assert_close(tags, flip_back(swapped.tags, flip_indices), atol=1e-5, rtol=1e-5)
    for index in range(batch_size):
        own_scales = [
            [
                HeadOutput(tuple(part[[index]] for part in own.heatmaps), own.tags[[index]])
                for own in pair
            ]
            for pair in scales
        ]
        alone = aggregate_maps(own_scales, size, flip_indices)
        torch.testing.assert_close(alone.heatmaps[0], seen.heatmaps[index], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.tags[0], seen.tags[index], atol=1e-5, rtol=1e-5)
