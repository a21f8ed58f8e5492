"""Targets and masks of data samples, as the losses take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ...codecs.targets import render_heatmaps
from ...layout import STRIDES


def heatmap_targets(
    samples: Sequence[Any], outputs: Sequence[Tensor], sigma: float | None
) -> list[Tensor]:
    """Target heatmaps (B, K, H, W) of each resolution: given ones, or rendered from centres.

    Args:
        samples: ``PoseDataSample`` with ``gt_fields.heatmaps``, or with
            ``gt_instance_labels.keypoint_centers`` and ``target_sigma`` in the meta information,
            and ``heatmap_sizes``, (w, h) of each resolution, to check the outputs against.
        outputs: The head's heatmaps.
        sigma: Base width σ0 of the head's codec in map pixels; None if it has none.

    Raises:
        ValueError: If targets and outputs differ in shape, the samples hold no targets, or the
            codecs of pipeline and head differ in σ0 where the samples say the pipeline's.
    """
    has_heatmaps = _has_field(samples[0], "heatmaps")
    _check_samples(samples, has_heatmaps, sigma)
    targets = []
    for level, output in enumerate(outputs):
        if has_heatmaps:
            target = torch.stack([sample.gt_fields.heatmaps[level] for sample in samples])
        else:
            width, height = _size(samples[0], level, output)
            centers = pad_sequence(
                [sample.gt_instance_labels.keypoint_centers[:, :, level] for sample in samples],
                batch_first=True,
                padding_value=-1,
            )
            target = render_heatmaps(centers, (width, height), samples[0].target_sigma)
        if target.shape != output.shape:
            raise ValueError(
                f"The codec's heatmaps at stride {STRIDES[level]} are of shape "
                f"{tuple(target.shape[1:])} (K, H, W), but the head's output is "
                f"{tuple(output.shape[1:])}. Give codec and head the same keypoints, and the "
                "codec the size of the training images as `input_size`."
            )
        targets.append(target)
    return targets


def _size(sample: Any, level: int, output: Tensor) -> tuple[int, int]:
    """(w, h) of the maps that the centres are for: the output's, unless the sample knows better."""
    if "heatmap_sizes" in sample:
        w, h = sample.heatmap_sizes[level]
        return int(w), int(h)
    return output.shape[3], output.shape[2]


def heatmap_masks(samples: Sequence[Any]) -> list[Tensor | None]:
    """Masks (B, 1, H, W) of each resolution; None where the pipeline makes none."""
    if not _has_field(samples[0], "heatmap_mask"):
        return [None] * len(STRIDES)
    masks: list[Tensor | None] = []
    for level in range(len(STRIDES)):
        mask = torch.stack([sample.gt_fields.heatmap_mask[level] for sample in samples])
        masks.append(mask.reshape(len(mask), 1, *mask.shape[-2:]))
    return masks


def _has_field(sample: Any, name: str) -> bool:
    return "gt_fields" in sample and name in sample.gt_fields


def _check_samples(samples: Sequence[Any], has_heatmaps: bool, sigma: float | None) -> None:
    """Raise unless all samples hold targets, for the base width that the head decodes with."""
    for sample in samples:
        given = sample.get("target_sigma")
        labels: Any = sample.get("gt_instance_labels", ())
        if not has_heatmaps and (given is None or "keypoint_centers" not in labels):
            raise ValueError(
                "The data samples hold no targets, or not their width. Add `dict(type="
                "'GenerateTarget', encoder=codec)` with a `ScaleAdaptiveHeatmap` to the training "
                "pipeline, and pack with `BottomupPackInputs`, or with 'target_sigma' and "
                "'heatmap_sizes' in the `meta_keys` of the packing transform."
            )
        if given is not None and sigma is not None and given != sigma:
            raise ValueError(
                f"The codec of the training pipeline has `sigma={given}`, but the one of the head "
                f"(`decoder`) has `sigma={sigma}`. Give both the same."
            )
