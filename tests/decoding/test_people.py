"""Maps to people in NumPy, without torch: the official numbers, and what must always hold."""

import numpy as np
import pytest

from swahr_mmpose.decoding import DecodeOptions, decode_people, find_candidates, tag_search
from swahr_mmpose.decoding.refinement import fill_missing_keypoints

from ..helpers import as_set, golden, maps_of, nearest_person, options_of

CASES = ["crowd", "crowdpose", "few", "noflip", "one", "overfull"]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fill_missing", [False, True])
def test_people_are_the_official_ones(name, fill_missing):
    numbers = golden(f"parse_{name}")
    people = decode_people(*maps_of(numbers), options_of(numbers, fill_missing=fill_missing))
    expected = numbers["refined" if fill_missing else "grouped"]
    found = np.concatenate([people.keypoints, people.keypoint_scores[..., None]], axis=-1)
    assert found.shape == expected.shape
    # the same pixels and quarters: what differs is the rounding of stored numbers
    np.testing.assert_allclose(as_set(found)[..., :2], as_set(expected)[..., :2], atol=1e-3)
    np.testing.assert_allclose(as_set(found)[..., 2], as_set(expected)[..., 2], atol=1e-4)
    np.testing.assert_allclose(
        np.sort(people.instance_scores), np.sort(numbers["scores"]), atol=1e-4
    )


def render(keypoints, visible, size, sigma=2.0):
    """Heatmaps (K, H, W) straight from the definition; keypoints (N, K, 2) in map pixels."""
    y, x = np.mgrid[: size[1], : size[0]]
    heatmaps = np.zeros((keypoints.shape[1], size[1], size[0]), np.float32)
    for person, k in np.argwhere(visible):
        px, py = np.trunc(keypoints[person, k])
        gaussian = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
        np.maximum(heatmaps[k], gaussian, out=heatmaps[k])
    return heatmaps


def random_people(rng, size, num_people, num_keypoints):
    """Keypoints at any sub-pixel place, those of one type out of each other's NMS window."""
    while True:
        keypoints = rng.uniform(0, size, (num_people, num_keypoints, 2))
        gaps = np.abs(np.trunc(keypoints)[:, None] - np.trunc(keypoints)[None]).max(axis=-1)
        gaps[np.arange(num_people), np.arange(num_people)] = np.inf
        if gaps.min() > 2:
            break
    visible = rng.random((num_people, num_keypoints)) < 0.7
    visible[np.arange(num_people), rng.integers(num_keypoints, size=num_people)] = True
    return keypoints, visible


def repeat(maps):
    """Twice as large, each pixel four times: every peak is a plateau of equal values."""
    return maps.repeat(2, axis=-1).repeat(2, axis=-2)


@pytest.mark.parametrize(("grouping", "count"), [("official", 1000), ("score_first", 1000)])
def test_perfect_maps_give_the_people_back(grouping, count):
    """Images with peaks of one height, so that all scores tie; none may fail."""
    rng = np.random.default_rng(0)
    size = np.array([64, 64])
    for case in range(count):
        num_people, num_keypoints = rng.integers(1, 5), rng.integers(1, 7)
        keypoints, visible = random_people(rng, size, num_people, num_keypoints)
        heatmaps = render(keypoints, visible, size)
        tags = nearest_person(np.trunc(keypoints), visible, size)[None] * 2.0
        factor = 1
        if case % 3 == 0:
            heatmaps, tags, factor = repeat(heatmaps), repeat(tags), 2
        if case % 2:
            tags = np.concatenate([tags, tags])
        options = DecodeOptions(grouping=grouping)
        people = decode_people(heatmaps, tags.astype(np.float32), options)
        assert len(people.keypoints) == num_people, case
        # each person in turn is someone found, to the pixel and the quarter towards a neighbour
        for own, own_visible in zip(keypoints, visible):
            error = np.abs(people.keypoints / factor - own).max(axis=-1)
            assert np.where(own_visible, error, 0).max(axis=-1).min() <= 0.75, case


def test_a_peak_in_the_corner_does_not_bring_its_shoulders():
    """Two equal maxima of one keypoint: only the two are candidates."""
    keypoints = np.array([[[40.0, 8]], [[300.0, 300]]])
    heatmaps = render(keypoints, np.ones((2, 1), bool), (320, 320))
    candidates = find_candidates(heatmaps, np.zeros((1, 1, 320, 320), np.float32), DecodeOptions())
    assert candidates.locations[0].tolist() == [[40, 8], [300, 300]]


def test_maps_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"Tags of shape \(2, 3, 8, 9\) do not fit heatmaps"):
        decode_people(np.zeros((3, 8, 8)), np.zeros((2, 3, 8, 9)), DecodeOptions())


def test_missing_keypoints_are_filled_where_the_definition_says():
    """The highest heatmap value less the rounded tag distance, by looking at every pixel."""
    rng = np.random.default_rng(0)
    for case in range(600):
        height, width = rng.integers(4, 48, size=2)
        num_people, num_tags = rng.integers(1, 20), rng.integers(1, 3)
        # low and high maps, tags near and far: each way of looking comes to be used
        heatmaps = rng.random((2, height, width)) ** 3 * rng.choice([0.1, 1.0, 4.0])
        tags = rng.standard_normal((num_tags, 2, height, width)) * rng.choice([0.1, 1.0, 5.0])
        heatmaps, tags = heatmaps.astype(np.float32), tags.astype(np.float32)
        people = np.zeros((num_people, 2, 3), np.float32)
        x, y = rng.integers(width, size=num_people), rng.integers(height, size=num_people)
        people[:, 0] = np.stack([x, y, np.ones(num_people)], axis=-1)
        filled = fill_missing_keypoints(people, heatmaps, tags)
        for (px, py, score), mean in zip(filled[:, 1], tags[:, 0, y, x].T):
            squared = sum((tag - own) ** 2 for tag, own in zip(tags[:, 1], mean))
            scored = heatmaps[1] - np.round(np.sqrt(squared))
            pixel = int(py), int(px)
            assert scored[pixel] == scored.max(), case
            assert score == heatmaps[1][pixel], case


def test_a_tie_of_height_and_tag_distance_goes_to_the_first_pixel():
    """A peak of 1 at tag distance 1, and then nothing at distance 0."""
    heatmaps, tags = np.zeros((2, 1, 200), np.float32), np.zeros((1, 2, 1, 200), np.float32)
    heatmaps[1, 0, 1], tags[0, 1, 0, :2] = 1, (5, 1)
    people = np.array([[[4.5, 0.5, 0.9], [0, 0, 0]]], np.float32)
    filled = fill_missing_keypoints(people, heatmaps, tags)
    assert filled[0, 1].tolist() == [1.25, 0.25, 1.0]


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0, 1e6], ids=["few", "noise", "plateau", "pixel"])
def test_missing_keypoints_of_many_people_are_filled_where_the_definition_says(level, monkeypatch):
    """Hundreds of people whose tags no pixel has, on maps that leave nothing to tell apart."""
    compared, distance = [], tag_search.tag_distance

    def counted(tags, mean):
        compared.append(tags[0].size)
        return distance(tags, mean)

    monkeypatch.setattr(tag_search, "tag_distance", counted)
    rng = np.random.default_rng(0)
    size = 200
    heatmaps = np.full((2, size, size), level % 1e6, np.float32)
    heatmaps += np.float32(1 - level % 1e6) * (rng.random((2, size, size)) > 0.99)
    heatmaps[1] *= rng.choice([0.5, 1, 3])
    heatmaps[1, 7, 7] = max(heatmaps[1, 7, 7], level)
    tags = (rng.standard_normal((2, 2, size, size)) * 40).astype(np.float32)
    people = np.zeros((400, 2, 3), np.float32)
    x, y = rng.integers(size, size=(2, len(people)))
    people[:, 0] = np.stack([x, y, np.ones(len(people))], axis=-1)
    filled = fill_missing_keypoints(people, heatmaps, tags)[:, 1]
    assert sum(compared) < 0.2 * len(people) * size**2
    for (px, py, score), mean in zip(filled, tags[:, 0, y, x].T):
        squared = sum((tag - own) ** 2 for tag, own in zip(tags[:, 1], mean))
        pixel = np.argmax(heatmaps[1] - np.round(np.sqrt(squared)))  # the first of equal ones
        if heatmaps[1].flat[pixel] > 0:
            assert (int(py), int(px)) == np.unravel_index(pixel, (size, size))
            assert score == heatmaps[1].flat[pixel]
        else:
            assert score == 0


@pytest.mark.parametrize("high", [0.02, 0.5, 1.0])
@pytest.mark.parametrize("values", [4, 1000])
def test_candidates_are_the_highest_local_maxima(high, values):
    """However many pixels are over the threshold, and however many of them are equal."""
    rng = np.random.default_rng(0)
    heatmaps = rng.integers(1, values + 1, (3, 40, 30)) / values
    heatmaps = np.where(rng.random(heatmaps.shape) < high, heatmaps, 0.05).astype(np.float32)
    tags = rng.random((1, 3, 40, 30)).astype(np.float32)
    candidates = find_candidates(heatmaps, tags, DecodeOptions(topk=30, nms_kernel=3))
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), mode="edge"), (3, 3), axis=(1, 2)
    )
    peaks = (heatmaps == windows.max(axis=(3, 4))) & (heatmaps > 0.1)
    for k in range(3):
        y, x = np.nonzero(peaks[k])
        best = np.argsort(-heatmaps[k, y, x], kind="stable")[:30]
        expected = np.stack([x, y], axis=-1)[best]
        np.testing.assert_array_equal(candidates.locations[k], expected)
        np.testing.assert_array_equal(candidates.tags[k][:, 0], tags[0, k, y[best], x[best]])
