"""Aggregated heatmaps and tags to people: candidates, grouping, refinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .candidates import find_candidates
from .device_refinement import refine_on_device
from .grouping import default_keypoint_order, group_candidates
from .refinement import adjust_keypoints, fill_missing_keypoints


@dataclass(frozen=True)
class DecodeOptions:
    """How people are read from aggregated maps; the defaults are the official implementation's.

    Attributes:
        keypoint_thr: A candidate's heatmap value must be over this (0.12 in the official W32 COCO
            configuration).
        tag_thr: Tag distance from which on a candidate does not join a group.
        topk: Candidates per keypoint, and groups that are offered to each candidate.
        nms_kernel: Side of the non-maximum suppression window in map pixels, odd.
        max_instances: Keep only this many people, those of highest score; None keeps all.
        fill_missing: Whether missing keypoints are filled in.
        keypoint_order: Order in which keypoints join groups; None is the official order.
    """

    keypoint_thr: float = 0.1
    tag_thr: float = 1.0
    topk: int = 30
    nms_kernel: int = 5
    max_instances: int | None = None
    fill_missing: bool = True
    keypoint_order: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.keypoint_thr < 1:
            raise ValueError(
                f"`decode_keypoint_thr` must be in [0, 1), but got {self.keypoint_thr}."
            )
        if self.tag_thr <= 0:
            raise ValueError(f"`decode_tag_thr` must be positive, but got {self.tag_thr}.")
        if self.topk < 1:
            raise ValueError(f"`decode_topk` must be at least 1, but got {self.topk}.")
        if self.nms_kernel < 1 or self.nms_kernel % 2 == 0:
            raise ValueError(
                f"`decode_nms_kernel` must be odd and positive, but got {self.nms_kernel}."
            )
        if self.max_instances is not None and self.max_instances < 1:
            raise ValueError(
                "`decode_max_instances` must be None (all people) or at least 1, "
                f"but got {self.max_instances}."
            )


@dataclass(frozen=True)
class People:
    """The people of one image.

    Attributes:
        keypoints: (P, K, 2) float32, x and y in map pixels.
        keypoint_scores: (P, K) float32.
        instance_scores: (P,) float32, the mean of the keypoint scores before filling.
    """

    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    instance_scores: np.ndarray


@torch.no_grad()
def decode_people(heatmaps: Tensor, tags: Tensor, options: DecodeOptions) -> list[People]:
    """Read the people of each image from aggregated maps.

    Args:
        heatmaps: (B, K, H, W).
        tags: (B, L·K, H, W), channel ``l * K + k``.
        options: How to read them.

    Raises:
        ValueError: If the shapes do not fit together, or ``keypoint_order`` is not an order of
            the K keypoints.
    """
    _check_maps(heatmaps, tags)
    num_keypoints = heatmaps.shape[1]
    order = options.keypoint_order or default_keypoint_order(num_keypoints)
    if sorted(order) != list(range(num_keypoints)):
        raise ValueError(
            f"`decode_keypoint_order` must name each of the {num_keypoints} keypoints once, "
            f"but got {list(order)}."
        )
    candidates = find_candidates(
        heatmaps, tags, options.topk, options.nms_kernel, options.keypoint_thr
    )
    images = []
    for index, image_candidates in enumerate(candidates):
        people = group_candidates(image_candidates, order, options.tag_thr, options.topk)
        images.append(_refine(people, heatmaps[index], tags[index], options))
    return images


def _check_maps(heatmaps: Tensor, tags: Tensor) -> None:
    if heatmaps.ndim != 4 or tags.ndim != 4:
        raise ValueError(
            "Heatmaps (B, K, H, W) and tags (B, L*K, H, W) must have four dimensions, but got "
            f"{tuple(heatmaps.shape)} and {tuple(tags.shape)}."
        )
    same_size = heatmaps.shape[0] == tags.shape[0] and heatmaps.shape[2:] == tags.shape[2:]
    if not same_size or tags.shape[1] % heatmaps.shape[1]:
        raise ValueError(
            f"Tags of shape {tuple(tags.shape)} do not fit heatmaps of shape "
            f"{tuple(heatmaps.shape)}: batch, height and width must be the same, and the tag "
            "channels a multiple of the keypoints."
        )


def _refine(people: np.ndarray, heatmaps: Tensor, tags: Tensor, options: DecodeOptions) -> People:
    instance_scores = people[..., 2].mean(axis=1)
    if options.max_instances is not None:
        keep = np.argsort(-instance_scores, kind="stable")[: options.max_instances]
        people, instance_scores = people[np.sort(keep)], instance_scores[np.sort(keep)]
    heatmaps = heatmaps.float()
    tags = tags.float().reshape(-1, *heatmaps.shape)
    if heatmaps.device.type == "cpu":
        people = adjust_keypoints(people, heatmaps.numpy())
        if options.fill_missing:
            people = fill_missing_keypoints(
                people, heatmaps.numpy(), tags.numpy(), options.keypoint_thr
            )
    else:
        people = refine_on_device(people, heatmaps, tags, options.fill_missing)
    return People(people[..., :2], people[..., 2], instance_scores)


def boxes_of_keypoints(keypoints: np.ndarray, keypoint_scores: np.ndarray) -> np.ndarray:
    """The smallest box around each person's keypoints of positive score.

    Args:
        keypoints: (P, K, 2), x and y in pixels.
        keypoint_scores: (P, K).

    Returns:
        (P, 4) float32, left, top, right and bottom in the same pixels.

    Examples:
        >>> boxes_of_keypoints(np.array([[[1, 2], [5, 3], [0, 0]]]), np.array([[1, 1, 0]]))
        array([[1., 2., 5., 3.]], dtype=float32)
    """
    found = (keypoint_scores > 0)[..., None]
    top_left = np.where(found, keypoints, np.inf).min(axis=1, initial=np.inf)
    bottom_right = np.where(found, keypoints, -np.inf).max(axis=1, initial=-np.inf)
    return np.concatenate([top_left, bottom_right], axis=1).astype(np.float32)
