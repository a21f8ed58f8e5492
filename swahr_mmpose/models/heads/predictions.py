"""Turns aggregated maps into MMPose's structures, as the test options ask."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmengine.structures import InstanceData, PixelData

from ...decoding import boxes_of_keypoints, keypoint_widths
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


def predict_people(codec: Any, maps: AggregatedMaps, test_cfg: dict[str, Any]) -> Any:
    """People of each image from aggregated maps.

    Returns:
        One ``InstanceData`` per image, with ``keypoints``, ``keypoint_scores``, ``bboxes`` and
        ``bbox_scores``, and where the maps have ``scales`` also ``keypoint_widths`` (P, K), all
        in input pixels; with ``test_cfg.output_heatmaps`` also one ``PixelData`` each, with
        ``heatmaps``, ``tags`` and, where there are any, ``scales``, all of the input's size.

    Examples:
        >>> import torch
        >>> from swahr_mmpose.codecs import ScaleAdaptiveHeatmap
        >>> codec = ScaleAdaptiveHeatmap((64, 64), [(16, 16), (32, 32)])
        >>> maps = torch.zeros(1, 1, 64, 64)
        >>> maps[..., 8, 20] = 0.9
        >>> predict_people(codec, AggregatedMaps(maps, maps, None), {})[0].keypoints.tolist()
        [[[20.25, 8.25]]]
    """
    decoded = zip(*codec.batch_decode(maps.heatmaps, maps.tags))
    preds = [_to_instances(*people) for people in decoded]
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


def _to_instances(
    keypoints: np.ndarray, keypoint_scores: np.ndarray, instance_scores: np.ndarray
) -> InstanceData:
    """People as MMPose expects them: boxes around the keypoints, in the keypoints' pixels."""
    return InstanceData(
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        bboxes=boxes_of_keypoints(keypoints, keypoint_scores),
        # MMPose's inferencer hands these on one by one, and JSON takes no float32
        bbox_scores=instance_scores.astype(np.float64),
    )
