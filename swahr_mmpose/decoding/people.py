"""Decodes the aggregated maps of one image into people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .candidates import Candidates, find_candidates
from .duplicates import without_duplicates
from .finite_maps import check_finite
from .grouping import group_candidates
from .matching import GROUPINGS
from .options import DecodeOptions
from .refinement import adjust_keypoints, fill_missing_keypoints


@dataclass(frozen=True)
class People:
    """The people of one image.

    Attributes:
        keypoints: (P, K, 2) float32, x and y in map pixels.
        keypoint_scores: (P, K) float32.
        instance_scores: (P,) float32, from the keypoint scores before filling.
        keypoints_found: (P, K) bool; the others are filled in, or missing (score 0).
    """

    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    instance_scores: np.ndarray
    keypoints_found: np.ndarray


def decode_people(heatmaps: np.ndarray, tags: np.ndarray, options: DecodeOptions) -> People:
    """Read the people of one image from its aggregated maps.

    Args:
        heatmaps: (K, H, W) float32.
        tags: (L, K, H, W) float32.
        options: How to read them.

    Raises:
        ValueError: If the shapes do not fit together, ``keypoint_order`` is not an order of the K
            keypoints, or sigmas are needed for them and not known.
        NotFiniteError: If a map holds NaN or infinity; a ValueError.

    Examples:
        >>> heatmaps, tags = np.zeros((2, 8, 8), np.float32), np.zeros((1, 2, 8, 8), np.float32)
        >>> heatmaps[0, 2, 5] = heatmaps[1, 6, 5] = 0.9
        >>> decode_people(heatmaps, tags, DecodeOptions()).keypoints
        array([[[5.25, 2.25],
                [5.25, 6.25]]], dtype=float32)
    """
    if heatmaps.ndim != 3 or tags.shape[1:] != heatmaps.shape:
        raise ValueError(
            f"Tags of shape {tags.shape} do not fit heatmaps of shape {heatmaps.shape}: heatmaps "
            "must be (K, H, W), and tags (L, K, H, W)."
        )
    return read_people(heatmaps, tags, options)


def read_people(heatmaps: np.ndarray, tags: np.ndarray, options: DecodeOptions) -> People:
    """As :func:`decode_people`, for maps whose shapes fit."""
    check_finite("heatmaps", heatmaps)
    check_finite("tag maps", tags.reshape(-1, *tags.shape[2:]))
    people, scores = group_people(find_candidates(heatmaps, tags, options), options)
    found = people[..., 2] > 0
    people = adjust_keypoints(people, heatmaps)
    if options.fill_missing:
        people = fill_missing_keypoints(people, heatmaps, tags)
    return finish_people(people, scores, found, options)


def finish_people(
    people: np.ndarray, scores: np.ndarray, found: np.ndarray, options: DecodeOptions
) -> People:
    """People (P, K, 3) and their scores (P,) as a result, without duplicates where asked for.

    ``found`` (P, K) says which keypoints were not filled in.
    """
    if options.pose_nms_thr is not None:
        sigmas = options.sigmas_for(people.shape[1])
        kept = without_duplicates(people, scores, found, sigmas, options.pose_nms_thr)
        people, scores, found = people[kept], scores[kept], found[kept]
    return People(people[..., :2], people[..., 2], scores, found)


def group_people(candidates: Candidates, options: DecodeOptions) -> tuple[np.ndarray, np.ndarray]:
    """Group candidates, and keep the best people.

    Returns:
        People (P, K, 3) as :func:`group_candidates` gives them, and their scores (P,).

    Examples:
        >>> places, scores = np.array([[2, 3], [9, 3]]), np.array([0.75, 0.25])
        >>> candidates = Candidates([places], [scores], [np.array([[0.0], [5.0]])])
        >>> people, scores = group_people(candidates, DecodeOptions(min_score=0.5))
        >>> people.tolist(), scores.tolist()
        ([[[2.0, 3.0, 0.75]]], [0.75])
    """
    order = options.order_for(len(candidates.tags))
    match = GROUPINGS[options.grouping]
    people = group_candidates(candidates, order, options.tag_thr, options.topk, match)
    # the mean over all K, as in the official implementation: missing keypoints count as 0
    scores = people[..., 2].mean(axis=1, dtype=np.float32)
    sure = scores >= options.min_score
    people, scores = people[sure], scores[sure]
    if options.max_instances is not None:
        best = np.sort(np.argsort(-scores, kind="stable")[: options.max_instances])
        people, scores = people[best], scores[best]
    return people, scores


def boxes_of_keypoints(keypoints: np.ndarray, keypoints_found: np.ndarray) -> np.ndarray:
    """The smallest box around each person's found keypoints.

    Args:
        keypoints: (P, K, 2), x and y in pixels.
        keypoints_found: (P, K) bool.

    Returns:
        (P, 4) float32, left, top, right and bottom in the same pixels.

    Examples:
        >>> keypoints, found = np.array([[[1, 2], [5, 3], [0, 0]]]), np.array([[True, True, False]])
        >>> boxes_of_keypoints(keypoints, found)
        array([[1., 2., 5., 3.]], dtype=float32)
    """
    found = keypoints_found[..., None]
    top_left = np.where(found, keypoints, np.inf).min(axis=1, initial=np.inf)
    bottom_right = np.where(found, keypoints, -np.inf).max(axis=1, initial=-np.inf)
    return np.concatenate([top_left, bottom_right], axis=1).astype(np.float32)
