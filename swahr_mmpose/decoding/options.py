"""How people are read from aggregated maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Ways of grouping candidates into people: see :mod:`swahr_mmpose.decoding.grouping`.
GROUPINGS = ("official", "score_first")

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

    Raises:
        ValueError: If an option is out of its range.
    """

    keypoint_thr: float = 0.1
    tag_thr: float = 1.0
    topk: int = 30
    nms_kernel: int = 5
    max_instances: int | None = None
    fill_missing: bool = True
    keypoint_order: Sequence[int] | None = None
    grouping: str = "official"

    def __post_init__(self) -> None:
        most = self.max_instances
        for name, valid, expected in (
            ("keypoint_thr", 0 <= self.keypoint_thr < 1, "in [0, 1)"),
            ("tag_thr", self.tag_thr > 0, "positive"),
            ("topk", self.topk >= 1, "at least 1"),
            ("nms_kernel", self.nms_kernel >= 1 and self.nms_kernel % 2 == 1, "odd and positive"),
            ("max_instances", most is None or most >= 1, "None (all people) or at least 1"),
            ("grouping", self.grouping in GROUPINGS, f"one of {', '.join(GROUPINGS)}"),
        ):
            if not valid:
                raise ValueError(
                    f"`decode_{name}` must be {expected}, but got {getattr(self, name)!r}."
                )

    def order_for(self, num_keypoints: int) -> Sequence[int]:
        """The order in which ``num_keypoints`` keypoints join people.

        Raises:
            ValueError: If ``keypoint_order`` is not an order of so many keypoints.
        """
        order = self.keypoint_order or default_keypoint_order(num_keypoints)
        if sorted(order) != list(range(num_keypoints)):
            raise ValueError(
                f"`decode_keypoint_order` must name each of the {num_keypoints} keypoints once, "
                f"but got {list(order)}."
            )
        return order
