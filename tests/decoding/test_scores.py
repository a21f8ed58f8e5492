"""Scores of people, people that are left out, and what never depends on order or side."""

import numpy as np
import pytest

from swahr_mmpose.decoding import (
    GROUPINGS,
    Candidates,
    DecodeOptions,
    decode_people,
    find_candidates,
    group_candidates,
)

from ..helpers import as_set, codec_for

SIGMAS = (0.05, 0.1, 0.1)


def noisy_maps(seed=0, size=(48, 64), num_keypoints=5, tag_dim=2):
    """Maps of blurred noise: many candidates, near in tags, and no two values equal."""
    import cv2

    rng = np.random.default_rng(seed)
    noise = rng.random((num_keypoints, *size)).astype(np.float32)
    heatmaps = np.stack([cv2.GaussianBlur(own, (0, 0), 2) for own in noise])
    heatmaps = (heatmaps - heatmaps.min()) / np.ptp(heatmaps) * 0.9
    return heatmaps, rng.normal(0, 2, (tag_dim, num_keypoints, *size)).astype(np.float32)


def test_sigmas_are_asked_for_where_they_are_not_known():
    with pytest.raises(ValueError, match="`decode_keypoint_sigmas` must be the dataset's 5 `sigm"):
        decode_people(*noisy_maps(), DecodeOptions(pose_nms_thr=0.5))
    with pytest.raises(ValueError, match="but 3 were given"):
        decode_people(*noisy_maps(), DecodeOptions(pose_nms_thr=0.5, keypoint_sigmas=SIGMAS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(min_score=1.0), r"`decode_min_score` must be in \[0, 1\)"),
        (dict(pose_nms_thr=0.0), "`decode_pose_nms_thr` must be None"),
        (dict(keypoint_sigmas=(0.1, -1)), "`decode_keypoint_sigmas` must be positive"),
        (dict(keypoint_sigmas=(0.1, float("nan"))), "`decode_keypoint_sigmas` must be positive"),
        (dict(nms_kernel=3.0), "`decode_nms_kernel` must be odd and positive, a whole number"),
        (dict(max_instances=1.5), "`decode_max_instances` must be None"),
        (dict(keypoint_thr="0.1"), r"`decode_keypoint_thr` must be in \[0, 1\), but got '0.1'"),
        (dict(grouping=["official"]), "`decode_grouping` must be one of official"),
        (dict(fill_missing="no"), "`decode_fill_missing` must be True or False, but got 'no'"),
        (dict(keypoint_order="012"), "`decode_keypoint_order` must be None"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DecodeOptions(**options)


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_people_of_low_score_are_left_out_and_others_stay(grouping):
    maps = noisy_maps()
    everyone = decode_people(*maps, DecodeOptions(grouping=grouping))
    threshold = float(np.median(everyone.instance_scores))
    some = decode_people(*maps, DecodeOptions(grouping=grouping, min_score=threshold))
    kept = everyone.instance_scores >= threshold
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(some.keypoints, everyone.keypoints[kept])
    np.testing.assert_array_equal(some.keypoint_scores, everyone.keypoint_scores[kept])


def oks_of(people, found, kept):
    """OKS of each person's found keypoints with those of one that stays, from the definition."""
    area = np.ptp(people.keypoints[kept], axis=0).prod()
    squared = ((people.keypoints - people.keypoints[kept]) ** 2).sum(axis=-1)
    similarity = np.exp(-squared / (2 * 0.2**2 * area))
    return (similarity * found).sum(axis=1) / found.sum(axis=1)


def test_duplicates_are_left_out():
    maps, sigmas = noisy_maps(), (0.1,) * 5
    everyone = decode_people(*maps, DecodeOptions())
    assert (everyone.keypoint_scores > 0).all()
    found = decode_people(*maps, DecodeOptions(fill_missing=False)).keypoint_scores > 0
    some = decode_people(*maps, DecodeOptions(pose_nms_thr=0.3, keypoint_sigmas=sigmas))
    assert 1 < len(some.keypoints) < len(everyone.keypoints)
    stays = np.array([any((own == p).all() for p in some.keypoints) for own in everyone.keypoints])
    assert stays.sum() == len(some.keypoints)
    oks = np.array([oks_of(everyone, found, kept) for kept in np.flatnonzero(stays)])
    higher = everyone.instance_scores[stays][:, None] > everyone.instance_scores
    # whoever stays is no duplicate of someone with a higher score, and whoever does not stay is
    highest = np.where(higher, oks, 0).max(axis=0)
    assert (highest[stays] <= 0.3 + 1e-6).all()
    assert (highest[~stays] > 0.3).all()


def test_keypoints_that_were_filled_in_make_no_duplicates():
    """Of the second person one keypoint is found; the rest is filled in from the first."""
    heatmaps, tags = np.zeros((3, 40, 60), np.float32), np.zeros((1, 3, 40, 60), np.float32)
    for k, place in enumerate([(10, 5), (10, 15), (10, 25)]):
        heatmaps[(k, *place[::-1])] = 0.9
    heatmaps[0, 20, 45] = 0.6
    tags[:, :, :, 30:] = 0.4
    people = decode_people(heatmaps, tags, DecodeOptions())
    np.testing.assert_array_equal(people.keypoints[0, 1:], people.keypoints[1, 1:])
    options = DecodeOptions(pose_nms_thr=0.5, keypoint_sigmas=(0.05,) * 3)
    assert len(decode_people(heatmaps, tags, options).keypoints) == 2


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_the_order_of_candidates_does_not_matter(grouping):
    for seed in range(20):
        candidates = find_candidates(*noisy_maps(seed), DecodeOptions())
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(len(own)) for own in candidates.scores]
        shuffled = Candidates(
            *(
                [own[order] for own, order in zip(values, orders)]
                for values in (candidates.locations, candidates.scores, candidates.tags)
            )
        )
        # so many people may be offered that the order in which they came does not matter
        people, same = (
            group_candidates(own, range(5), 1.0, 1000, GROUPINGS[grouping])
            for own in (candidates, shuffled)
        )
        np.testing.assert_allclose(as_set(same), as_set(people), atol=1e-6)


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_mirrored_maps_give_mirrored_people(grouping):
    for seed in range(10):
        heatmaps, tags = noisy_maps(seed)
        options = DecodeOptions(grouping=grouping)
        people = decode_people(heatmaps, tags, options)
        mirrored = decode_people(heatmaps[..., ::-1].copy(), tags[..., ::-1].copy(), options)
        back = mirrored.keypoints * [-1, 1] + [heatmaps.shape[2], 0]
        assert len(people.keypoints) == len(back)
        # at the border the pixel itself stands for its neighbour, and ties go to the left
        inside = (np.abs(back[..., 0] - 32) < 31).all(axis=1)
        assert inside.sum() > 2
        for own in back[inside]:
            assert np.abs(people.keypoints - own).max(axis=(1, 2)).min() < 1e-4


def test_people_do_not_depend_on_the_rest_of_the_batch():
    import torch

    options = dict(decode_grouping="score_first", decode_pose_nms_thr=0.5, decode_min_score=0.1)
    codec = codec_for((64, 64), **options, decode_keypoint_sigmas=(0.1,) * 5)
    maps = [noisy_maps(seed, size=(64, 64)) for seed in range(3)]
    heatmaps = torch.from_numpy(np.stack([own for own, _ in maps]))
    tags = torch.from_numpy(np.stack([own.reshape(10, 64, 64) for _, own in maps]))
    together = codec.batch_decode(heatmaps, tags)
    for index in range(3):
        alone = codec.batch_decode(heatmaps[index : index + 1], tags[index : index + 1])
        for ours, expected in zip(alone, together):
            np.testing.assert_array_equal(ours[0], expected[index])
