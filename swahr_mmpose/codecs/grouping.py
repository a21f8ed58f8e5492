"""Grouping keypoint candidates into people by their tags (associative embedding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from munkres import Munkres

#: What the official implementation charges for leaving a candidate without a group.
_UNMATCHED_COST = 1e10

#: Head and torso first, then arms and legs: the official implementation's order for COCO.
_COCO_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)


def default_keypoint_order(num_keypoints: int) -> tuple[int, ...]:
    """The order in which keypoints join groups.

    The official order for COCO; for fewer keypoints (CrowdPose's 14 too) those of it that exist,
    further keypoints at the end.

    Examples:
        >>> default_keypoint_order(14)
        (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13)
    """
    known = [k for k in _COCO_ORDER if k < num_keypoints]
    return tuple(known) + tuple(range(len(_COCO_ORDER), num_keypoints))


@dataclass(frozen=True)
class Candidates:
    """Keypoint candidates of one image, those of keypoint ``k`` in entry ``k`` of each list.

    Attributes:
        locations: Per keypoint (M_k, 2) int64, x and y in map pixels.
        scores: Per keypoint (M_k,) float32, heatmap values.
        tags: Per keypoint (M_k, L) float32.
    """

    locations: list[np.ndarray]
    scores: list[np.ndarray]
    tags: list[np.ndarray]


@dataclass
class _Group:
    """A person while keypoints join: candidate index per keypoint, and the sum of their tags."""

    members: dict[int, int] = field(default_factory=dict)
    tag_sum: np.ndarray | float = 0.0
    num_tags: int = 0

    def add(self, k: int, row: int, tag: np.ndarray) -> None:
        self.members[k] = row
        # in float32, as the tags are: the rounding of distances must see the official means
        self.tag_sum = self.tag_sum + tag if self.num_tags else tag
        self.num_tags += 1


def group_candidates(
    candidates: Candidates,
    keypoint_order: Sequence[int],
    tag_threshold: float,
    max_offered_groups: int,
) -> np.ndarray:
    """Assign candidates to people, keypoint by keypoint, by minimum-cost matching.

    The cost between a candidate and a group is ``round(d)·100 − score``, ``d`` the Euclidean
    distance of the candidate's tag to the mean tag of the group. A matched candidate joins its
    group where ``d`` is under the threshold; all others start groups of their own.

    As in the official implementation a group is known by the first tag of the candidate that
    started it, so a candidate that would start a group with exactly that tag takes the known
    group's place for this keypoint and resets its mean tag.

    Args:
        candidates: Candidates of one image, scores over the detection threshold only.
        keypoint_order: The order in which keypoints are matched.
        tag_threshold: Tag distance from which on a matched candidate is rejected.
        max_offered_groups: Only this many groups, the oldest, are offered for matching.

    Returns:
        (P, K, 3) float32: x and y in map pixels and the score; zeros where a keypoint is missing.
    """
    groups: dict[float, _Group] = {}
    for k in keypoint_order:
        tags = candidates.tags[k]
        joined = _match(
            tags,
            candidates.scores[k],
            list(groups.values())[:max_offered_groups],
            tag_threshold,
        )
        for row, group in enumerate(joined):
            if group is None:
                group = groups.setdefault(float(tags[row, 0]), _Group())
                group.num_tags = 0
            group.add(k, row, tags[row])

    people = np.zeros((len(groups), len(candidates.tags), 3), dtype=np.float32)
    for person, group in zip(people, groups.values(), strict=True):
        for k, row in group.members.items():
            person[k, :2] = candidates.locations[k][row]
            person[k, 2] = candidates.scores[k][row]
    return people


def _match(
    tags: np.ndarray, scores: np.ndarray, groups: Sequence[_Group], tag_threshold: float
) -> list[_Group | None]:
    """The group that each candidate of one keypoint joins, None where it joins none."""
    joined: list[_Group | None] = [None] * len(tags)
    if not groups or not len(tags):
        return joined
    means = np.stack([group.tag_sum / group.num_tags for group in groups])
    difference = tags[:, None].astype(np.float64) - means[None]
    distances = np.linalg.norm(difference, axis=2)
    costs = np.round(distances) * 100 - scores[:, None].astype(np.float64)
    for row, column in _assign(costs):
        if distances[row, column] < tag_threshold:
            joined[row] = groups[column]
    return joined


def _assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """Minimum-cost pairs (row, column) of a cost matrix (M, G).

    Rounded distances make equal costs common, and which of them wins decides who gets the
    keypoint: the matrix is therefore padded as in the official implementation, and solved by the
    library that it uses. Where every row has its own cheapest column there is nothing to solve.
    """
    num_rows, num_columns = costs.shape
    cheapest = costs.argmin(axis=1)
    unique = (costs == costs.min(axis=1, keepdims=True)).sum() == num_rows
    if unique and len(np.unique(cheapest)) == num_rows:
        return list(enumerate(cheapest))
    if num_rows > num_columns:
        padding = np.full((num_rows, num_rows - num_columns), _UNMATCHED_COST)
        costs = np.concatenate([costs, padding], axis=1)
    return [(row, column) for row, column in Munkres().compute(costs) if column < num_columns]
