import numpy as np
import pytest
import torch

from swahr_mmpose.codecs.torch_decoding import decode_with_torch
from swahr_mmpose.decoding import DecodeOptions, NotFiniteError, decode_people, keypoint_widths

from ..helpers import noisy_maps


def in_numpy(heatmaps, tags):
    return decode_people(heatmaps, tags, DecodeOptions())


def in_torch(heatmaps, tags):
    batch = (torch.from_numpy(own)[None] for own in (heatmaps, tags))
    return decode_with_torch(*batch, DecodeOptions())[0]


@pytest.mark.parametrize("decode", [in_numpy, in_torch])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["heatmaps", "tag maps"])
def test_one_value_that_is_not_finite_is_an_error(decode, value, where):
    heatmaps, tags = noisy_maps()
    broken, count = (heatmaps, 5) if where == "heatmaps" else (tags, 10)
    broken.flat[heatmaps.size // 2] = value
    with pytest.raises(NotFiniteError, match=f"1 of the network's {count} {where} hold NaN or inf"):
        decode(heatmaps, tags)


@pytest.mark.parametrize("decode", [in_numpy, in_torch])
def test_large_values_are_none(decode):
    """Not even where their sum overflows."""
    heatmaps, tags = noisy_maps()
    assert len(decode(heatmaps * np.float32(1e36), tags).keypoints)
    with pytest.raises(NotFiniteError, match="heatmaps hold NaN or infinity, or numbers too large"):
        decode(heatmaps * np.float32(1e38), tags)


def test_widths_of_maps_with_nan_are_an_error():
    scales = np.zeros((17, 16, 24), np.float32)
    scales[3, 2, 1] = np.nan
    with pytest.raises(NotFiniteError, match="1 of the network's 17 maps of widths"):
        keypoint_widths(np.ones((1, 17, 2)), scales, (32, 48), 2.0)
