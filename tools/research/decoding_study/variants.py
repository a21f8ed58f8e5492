"""Ways of reading people from the same maps: the package's, and those that were tried beside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

import numpy as np

from swahr_mmpose.decoding.matching import (
    GrowingPeople,
    Match,
    Offer,
    choose_in_order,
    gaps_to,
    tag_distances,
)

#: From candidates and people to a term of the cost for each pair, (M, P).
TieBreak = Callable[[Offer, GrowingPeople], np.ndarray]


def _least_cost(tie_break: TieBreak | None = None) -> Match:
    """The official cost, ties by the least sum of another term, or as SciPy comes upon them."""

    def match(
        offer: Offer, people: GrowingPeople, tag_threshold: float
    ) -> Iterable[tuple[int, int]]:
        from scipy.optimize import linear_sum_assignment

        distances = tag_distances(offer.tags, people)
        costs = np.round(distances) * 100 - offer.scores[:, None].astype(np.float64)
        if tie_break is not None:
            costs = costs + 1e-6 * tie_break(offer, people)
        rows, columns = linear_sum_assignment(costs)
        kept = distances[rows, columns] < tag_threshold
        return list(zip(rows[kept].tolist(), columns[kept].tolist()))

    return match


def _by_score(rounded: bool, likeness: float = 0.0, strength: float = 0.0) -> Match:
    """In order of score: the free person of least distance, with or without other terms."""

    def match(
        offer: Offer, people: GrowingPeople, tag_threshold: float
    ) -> Iterable[tuple[int, int]]:
        distances = tag_distances(offer.tags, people)
        totals = people.scores.sum(axis=1)
        means = totals / (people.members >= 0).sum(axis=1)
        costs = np.round(distances) if rounded else distances
        costs = costs + likeness * np.abs(offer.scores[:, None] - means)
        costs = costs - strength * np.log(totals)
        return choose_in_order(np.where(distances < tag_threshold, costs, np.inf), offer.scores)

    return match


#: Groupings that the package does not have, by what they do.
TRIED: dict[str, Match] = {
    "official cost, ties as SciPy leaves them": _least_cost(),
    "official cost, ties by true distance": _least_cost(
        lambda offer, people: tag_distances(offer.tags, people)
    ),
    # to the nearest keypoint of the person, over the person's size
    "official cost, ties by place": _least_cost(
        lambda offer, people: gaps_to(offer.locations, people)
    ),
    "by score, rounded distance, the oldest first": _by_score(rounded=True),
    "by score, rounded distance + ½·score difference": _by_score(rounded=True, likeness=0.5),
    "by score, true distance": _by_score(rounded=False),
    "by score, true distance − ½·ln S": _by_score(rounded=False, strength=0.5),
}

#: Options of decoding that differ from the official ones, by the name in the table.
VARIANTS: dict[str, dict[str, Any]] = {
    "official": {},
    **{name: dict(grouping=name) for name in TRIED},
    '`grouping="score_first"`': dict(grouping="score_first"),
    "score_first, `pose_nms_thr=0.9`": dict(grouping="score_first", pose_nms_thr=0.9),
    "score_first, `pose_nms_thr=0.9`, `min_score=0.2`": dict(
        grouping="score_first", pose_nms_thr=0.9, min_score=0.2
    ),
}
