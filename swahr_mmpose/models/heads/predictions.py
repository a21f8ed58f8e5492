"""Turns aggregated maps into MMPose's structures, as the test options ask."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

from ...decoding import boxes_of_keypoints, image_window, keypoint_widths
from ..aggregation import resize_maps
from ..outputs import AggregatedMaps

#: Test options of MMPose's own associative-embedding head that have one right value here.
_FIXED_TEST_OPTIONS = dict(shift_heatmap=False, align_corners=False, restore_heatmap_size=True)


def check_test_options(test_cfg: dict[str, Any]) -> None:
    """Name options of MMPose's own head that can't be honoured.

    Raises:
        ValueError: For ``multiscale_test``; the others change details only, and are warned of
            once.

    Examples:
        >>> check_test_options(dict(multiscale_test=True))
        Traceback (most recent call last):
            ...
        ValueError: `test_cfg.multiscale_test=True` is not how scales are set here: ...
    """
    if test_cfg.get("multiscale_test"):
        raise ValueError(
            "`test_cfg.multiscale_test=True` is not how scales are set here: give them to the "
            "pipeline, `dict(type='BottomupPyramidResize', input_size=512, scales=(1, 0.5, 2))`, "
            "as the configs `…_multiscale.py` do, and remove the option."
        )
    for name, value in _FIXED_TEST_OPTIONS.items():
        if test_cfg.get(name, value) != value:
            _warn_once(
                f"`test_cfg.{name}={test_cfg[name]}` is not used: this head always tests as the "
                f"official implementation does, with `{name}={value}`."
            )


@functools.lru_cache(maxsize=None)
def _warn_once(message: str) -> None:
    print_log(message, logger="current", level=30)


def predict_people(
    codec: Any, maps: AggregatedMaps, test_cfg: dict[str, Any], data_samples: Sequence[Any]
) -> Any:
    """People of each image, from the part of its aggregated maps that shows it.

    All of the maps is read for data samples without ``input_scale``, which are of no image.

    Returns:
        One ``InstanceData`` per image, with ``keypoints``, ``keypoint_scores``,
        ``keypoints_found``, ``bboxes`` and ``bbox_scores``, and where the maps have ``scales`` also
        ``keypoint_widths`` (P, K), all in input pixels; with ``test_cfg.output_heatmaps`` also one
        ``PixelData`` each, with ``heatmaps``, ``tags`` and, where there are any, ``scales``, all of
        the input's size.
    """
    preds = [
        _instances_of(codec, heatmaps, tags, sample)
        for heatmaps, tags, sample in zip(maps.heatmaps, maps.tags, data_samples)
    ]
    if maps.scales is not None:
        height, width = maps.heatmaps.shape[2:]
        for people, scales in zip(preds, maps.scales.detach().float().cpu().numpy()):
            people.keypoint_widths = keypoint_widths(
                people.keypoints, scales, (height, width), codec.sigma
            )
    if not test_cfg.get("output_heatmaps", False):
        return preds
    named = dict(heatmaps=maps.heatmaps, tags=maps.tags)
    if maps.scales is not None:
        named["scales"] = resize_maps(maps.scales.float(), maps.heatmaps.shape[2:])
    fields = [
        PixelData(**dict(zip(named, own)))
        for own in zip(*(values.detach() for values in named.values()))
    ]
    return preds, fields


def _instances_of(codec: Any, heatmaps: Tensor, tags: Tensor, sample: Any) -> InstanceData:
    """People as MMPose expects them: boxes around found keypoints, in the keypoints' pixels."""
    rows, columns = slice(0, None), slice(0, None)
    if "input_scale" in sample:
        rows, columns = image_window(
            sample.ori_shape[1::-1], sample.input_size, sample.input_center, sample.input_scale
        )
    (people,) = codec.read_people(heatmaps[None, :, rows, columns], tags[None, :, rows, columns])
    keypoints = people.keypoints + (columns.start, rows.start)
    return InstanceData(
        keypoints=keypoints,
        keypoint_scores=people.keypoint_scores,
        keypoints_found=people.keypoints_found,
        bboxes=boxes_of_keypoints(keypoints, people.keypoints_found),
        # MMPose's inferencer hands these on one by one, and JSON takes no float32
        bbox_scores=people.instance_scores.astype(np.float64),
    )
