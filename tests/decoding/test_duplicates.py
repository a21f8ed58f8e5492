"""Who is left out: people of low score, and those who are found twice."""

import numpy as np
import pytest

from swahr_mmpose.decoding import GROUPINGS, DecodeOptions, decode_people

from ..helpers import noisy_maps


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
