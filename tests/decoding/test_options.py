"""Options of decoding: each is checked, under the name that it was given by."""

import pytest
import torch

from swahr_mmpose.decoding import DecodeOptions, decode_people, default_keypoint_order

from ..helpers import codec_for, noisy_maps

OUT_OF_RANGE = [
    (dict(keypoint_thr=-0.1), r"`keypoint_thr` must be in \[0, 1\), but got -0.1"),
    (dict(keypoint_thr="0.1"), r"`keypoint_thr` must be in \[0, 1\), but got '0.1'"),
    (dict(tag_thr=0), "`tag_thr` must be positive"),
    (dict(topk=0), "`topk` must be at least 1"),
    (dict(nms_kernel=4), "`nms_kernel` must be odd and positive, a whole number"),
    (dict(nms_kernel=3.0), "`nms_kernel` must be odd and positive, a whole number"),
    (dict(max_instances=0), "`max_instances` must be None"),
    (dict(max_instances=1.5), "`max_instances` must be None"),
    (dict(fill_missing="no"), "`fill_missing` must be True or False, but got 'no'"),
    (dict(keypoint_order="012"), "`keypoint_order` must be None"),
    (dict(grouping="greedy"), "`grouping` must be one of official, score_first"),
    (dict(grouping=["official"]), "`grouping` must be one of official, score_first"),
    (dict(min_score=1.0), r"`min_score` must be in \[0, 1\)"),
    (dict(pose_nms_thr=0.0), "`pose_nms_thr` must be None"),
    (dict(keypoint_sigmas=(0.1, -1)), "`keypoint_sigmas` must be positive"),
    (dict(keypoint_sigmas=(0.1, float("nan"))), "`keypoint_sigmas` must be positive"),
]

#: Of options that can't be checked before the number of keypoints is known.
FOR_OTHER_KEYPOINTS = [
    (dict(keypoint_order=[0, 1, 1]), "`keypoint_order` must name each of the 5 keypoints once"),
    (dict(pose_nms_thr=0.5), "`keypoint_sigmas` must be the dataset's 5 `sigmas`, but none"),
    (dict(pose_nms_thr=0.5, keypoint_sigmas=(0.1,) * 3), "but 3 were given"),
]


def of_the_codec(options, message):
    """Options and a message under the codec's names."""
    renamed = {f"decode_{name}": value for name, value in options.items()}
    return renamed, message.replace("`", "`decode_", 1)


@pytest.mark.parametrize(("options", "message"), OUT_OF_RANGE)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        DecodeOptions(**options)
    options, message = of_the_codec(options, message)
    with pytest.raises(ValueError, match=f"^{message}"):
        codec_for((64, 64), **options)


@pytest.mark.parametrize(("options", "message"), FOR_OTHER_KEYPOINTS)
def test_options_for_other_keypoints_are_named(options, message):
    heatmaps, tags = noisy_maps()
    with pytest.raises(ValueError, match=message):
        decode_people(heatmaps, tags, DecodeOptions(**options))
    options, message = of_the_codec(options, message)
    maps = torch.from_numpy(heatmaps)[None], torch.from_numpy(tags).flatten(0, 1)[None]
    with pytest.raises(ValueError, match=message):
        codec_for((64, 64), **options).batch_decode(*maps)


def test_order_covers_each_keypoint_once():
    for num_keypoints in range(1, 30):
        assert sorted(default_keypoint_order(num_keypoints)) == list(range(num_keypoints))
