"""Options of decoding, and their checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .matching import GROUPINGS

#: COCO's standard deviations of labels, relative to the size of people.
_COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072,
    0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
)  # fmt: skip

#: Head and torso first, then arms and legs: the official implementation's order for COCO.
_COCO_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)


def default_keypoint_order(num_keypoints: int) -> tuple[int, ...]:
    """The order in which keypoints join people.

    The official order for COCO; for fewer keypoints (CrowdPose's 14 too) those of it that exist,
    further keypoints at the end.

    Examples:
        >>> default_keypoint_order(14)
        (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13)
    """
    known = [k for k in _COCO_ORDER if k < num_keypoints]
    return (*known, *range(len(_COCO_ORDER), num_keypoints))


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and bool(value >= 1)


#: A check of each option, and what it expects.
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "keypoint_thr": (lambda value: 0 <= value < 1, "in [0, 1)"),
    "tag_thr": (lambda value: value > 0, "positive"),
    "topk": (_is_count, "at least 1, a whole number"),
    "nms_kernel": (
        lambda value: _is_count(value) and value % 2 == 1 and value < 100,
        "odd and positive, a whole number below 100",
    ),
    "max_instances": (
        lambda value: value is None or _is_count(value),
        "None (all people) or at least 1, a whole number",
    ),
    "fill_missing": (lambda value: isinstance(value, (bool, np.bool_)), "True or False"),
    "keypoint_order": (
        lambda value: value is None or all(isinstance(k, (int, np.integer)) for k in value),
        "None (the official order) or keypoint indices",
    ),
    "grouping": (lambda value: value in GROUPINGS, f"one of {', '.join(GROUPINGS)}"),
    "min_score": (lambda value: 0 <= value < 1, "in [0, 1)"),
    "pose_nms_thr": (lambda value: value is None or 0 < value < 1, "None (off) or in (0, 1)"),
    "keypoint_sigmas": (
        lambda value: value is None or (len(value) > 0 and all(sigma > 0 for sigma in value)),
        "positive numbers",
    ),
}


@dataclass(frozen=True)
class DecodeOptions:
    """How people are read from aggregated maps; the defaults are the official implementation's.

    Attributes:
        keypoint_thr: A candidate's heatmap value must be over this (0.12 in the official W32 COCO
            configuration).
        tag_thr: Tag distance from which on a candidate does not join a person.
        topk: Candidates per keypoint, and people that are offered to each candidate.
        nms_kernel: Side of the non-maximum suppression window in map pixels, odd.
        max_instances: Keep only this many people, those of highest score; None keeps all.
        fill_missing: Whether missing keypoints are filled in.
        keypoint_order: Order in which keypoints join people; None is the official order.
        grouping: How candidates of one keypoint are shared out among people. ``'official'``: at
            least total cost. ``'score_first'``: in order of their scores.
        min_score: People of a lower score are left out, before missing keypoints are filled in.
        pose_nms_thr: Whoever has a higher OKS than this with someone of higher score, over the
            keypoints that were found, is left out; None keeps all.
        keypoint_sigmas: The dataset's standard deviations of labels (``sigmas`` of its
            description), for OKS; None: COCO's, for 17 keypoints.

    Raises:
        ValueError: If an option is out of its range.
    """

    #: Before the names of options in messages: what an argument is called where they are given.
    prefix: ClassVar[str] = ""

    keypoint_thr: float = 0.1
    tag_thr: float = 1.0
    topk: int = 30
    nms_kernel: int = 5
    max_instances: int | None = None
    fill_missing: bool = True
    keypoint_order: Sequence[int] | None = None
    grouping: str = "official"
    min_score: float = 0.0
    pose_nms_thr: float | None = None
    keypoint_sigmas: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name, (valid, expected) in _CHECKS.items():
            value = getattr(self, name)
            try:
                is_valid = valid(value)
            except TypeError:  # text where a number is expected, and the like
                is_valid = False
            if not is_valid:
                raise ValueError(f"`{self.prefix}{name}` must be {expected}, but got {value!r}.")

    def order_for(self, num_keypoints: int) -> Sequence[int]:
        """The order in which ``num_keypoints`` keypoints join people.

        Raises:
            ValueError: If ``keypoint_order`` is not an order of so many keypoints.
        """
        order = self.keypoint_order
        order = default_keypoint_order(num_keypoints) if order is None else list(order)
        if sorted(order) != list(range(num_keypoints)):
            raise ValueError(
                f"`{self.prefix}keypoint_order` must name each of the {num_keypoints} keypoints "
                f"once, but got {list(order)}."
            )
        return order

    def sigmas_for(self, num_keypoints: int) -> np.ndarray:
        """The dataset's standard deviations of labels, (K,).

        Raises:
            ValueError: If they are not known for so many keypoints.
        """
        sigmas = self.keypoint_sigmas
        if sigmas is None and num_keypoints == len(_COCO_SIGMAS):
            sigmas = _COCO_SIGMAS
        if sigmas is None or len(sigmas) != num_keypoints:
            given = "none were given" if sigmas is None else f"{len(sigmas)} were given"
            raise ValueError(
                f"`{self.prefix}keypoint_sigmas` must be the dataset's {num_keypoints} `sigmas`, "
                f"but {given}. `{self.prefix}pose_nms_thr` needs them."
            )
        return np.array(sigmas, np.float64)


#: Options for applications: no weak people, and no one twice.
APPLICATION_OPTIONS = dict(grouping="score_first", min_score=0.2, pose_nms_thr=0.9)
