"""Ways of matching the candidates of one keypoint with people."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Callable, Iterable, Tuple

import numpy as np

#: Weight of the tie-break: too small to outweigh a step of the cost, large enough for float64.
_TIE_WEIGHT = 1e-6

#: What ``score_first`` takes from the tag distance for each e-fold of a person's score.
_STRENGTH_WEIGHT = 0.5

#: What it adds for a candidate that is as far from a person as that person is large.
_GAP_WEIGHT = 0.3

#: Gaps are not counted beyond so many sizes of the person.
_WIDEST_GAP = 2.0

#: The gap where a person has too few keypoints to have a size.
_UNKNOWN_GAP = 0.5

#: From so many keypoints on a person has a size.
_MIN_FOR_SIZE = 3


@dataclass(frozen=True)
class GrowingPeople:
    """People while keypoints join.

    Attributes:
        members: (P, K) int, the candidate's index; −1 where there is none yet.
        scores: (P, K) float64, the candidates' scores; 0 where there is none.
        locations: (P, K, 2), x and y in map pixels.
        tag_sums: (P, L) float32, sums of ``num_tags`` tags.
        num_tags: (P,) float32.
    """

    members: np.ndarray
    scores: np.ndarray
    locations: np.ndarray
    tag_sums: np.ndarray
    num_tags: np.ndarray

    @classmethod
    def places_for(cls, most: int, num_keypoints: int, tag_dim: int) -> GrowingPeople:
        """Room for so many people, none of whom has a keypoint."""
        return cls(
            np.full((most, num_keypoints), -1),
            np.zeros((most, num_keypoints)),
            np.zeros((most, num_keypoints, 2)),
            # in float32, as the tags are: the rounding of distances must see the official means
            np.zeros((most, tag_dim), np.float32),
            np.zeros(most, np.float32),
        )

    def first(self, count: int) -> GrowingPeople:
        """The oldest people."""
        return GrowingPeople(*(getattr(self, field.name)[:count] for field in fields(self)))

    def join(self, person: int, k: int, row: int, offer: Offer) -> None:
        """Give a person the candidate ``row`` of keypoint ``k``."""
        self.members[person, k] = row
        self.scores[person, k] = offer.scores[row]
        self.locations[person, k] = offer.locations[row]
        self.tag_sums[person] += offer.tags[row]
        self.num_tags[person] += 1


@dataclass(frozen=True)
class Offer:
    """The candidates of one keypoint.

    Attributes:
        locations: (M, 2), x and y in map pixels; highest score first.
        scores: (M,).
        tags: (M, L).
    """

    locations: np.ndarray
    scores: np.ndarray
    tags: np.ndarray


#: From the candidates of one keypoint, people (one at least) and the threshold of the tag distance
#: to pairs of their indices. Candidates that are in no pair start people of their own.
Match = Callable[[Offer, GrowingPeople, float], Iterable[Tuple[int, int]]]


def tag_distances(tags: np.ndarray, people: GrowingPeople) -> np.ndarray:
    """Distances of tags (M, L) to the people's mean tags, (M, P)."""
    means = people.tag_sums / people.num_tags[:, None]
    distances: np.ndarray = np.linalg.norm(tags[:, None].astype(np.float64) - means, axis=2)
    return distances


def match_at_least_cost(
    offer: Offer, people: GrowingPeople, tag_threshold: float
) -> Iterable[tuple[int, int]]:
    """The official way: at least total cost, where ``round(d)·100 − score`` is that of a pair.

    ``d`` is the Euclidean distance of the candidate's tag to the person's mean tag. Pairs with
    ``d`` under the threshold are kept.

    Rounded distances make equal costs the rule in crowds. The official implementation leaves them
    to the version of a library. Here, among assignments of least cost, the one wins in which
    candidates' scores are nearest to the mean scores of the people they join (least sum of
    squares).

    Examples:
        >>> people = GrowingPeople.places_for(1, num_keypoints=2, tag_dim=1)
        >>> people.join(0, 0, 0, Offer(np.zeros((1, 2)), np.ones(1), np.array([[2.0]])))
        >>> offer = Offer(np.zeros((2, 2)), np.array([0.9, 0.8]), np.array([[5.0], [2.1]]))
        >>> match_at_least_cost(offer, people, tag_threshold=1.0)
        [(1, 0)]
    """
    # imported here: without anyone to group, decoding needs no SciPy, which is slow to import
    from scipy.optimize import linear_sum_assignment

    distances = tag_distances(offer.tags, people)
    own = offer.scores[:, None].astype(np.float64)
    means = people.scores.sum(axis=1) / (people.members >= 0).sum(axis=1)
    costs = np.round(distances) * 100 - own
    rows, columns = linear_sum_assignment(costs + _TIE_WEIGHT * (own - means) ** 2)
    kept = distances[rows, columns] < tag_threshold
    return list(zip(rows[kept].tolist(), columns[kept].tolist()))


def match_by_score(
    offer: Offer, people: GrowingPeople, tag_threshold: float
) -> Iterable[tuple[int, int]]:
    """Candidates choose in order of their scores, each the free person that suits it best.

    Of the people whose tag distance ``d`` is under the threshold it takes the one of least
    ``d − ½·ln S + 0.3·g``. ``S`` is the sum of the person's keypoint scores so far: people who are
    there gather keypoints, and what a stray candidate started does not. ``g`` is the distance
    from the candidate to the person's nearest keypoint over the person's size, at most 2.

    Examples:
        >>> people = GrowingPeople.places_for(1, num_keypoints=2, tag_dim=1)
        >>> people.join(0, 0, 0, Offer(np.zeros((1, 2)), np.ones(1), np.array([[2.0]])))
        >>> offer = Offer(np.zeros((2, 2)), np.array([0.9, 0.8]), np.array([[2.5], [2.1]]))
        >>> match_by_score(offer, people, tag_threshold=1.0)
        [(0, 0)]
    """
    distances = tag_distances(offer.tags, people)
    strengths = np.log(people.scores.sum(axis=1))
    costs = (
        distances - _STRENGTH_WEIGHT * strengths + _GAP_WEIGHT * gaps_to(offer.locations, people)
    )
    return choose_in_order(np.where(distances < tag_threshold, costs, np.inf), offer.scores)


def choose_in_order(costs: np.ndarray, scores: np.ndarray) -> list[tuple[int, int]]:
    """Each candidate, the highest first, and the free person of least cost, where one is finite.

    Args:
        costs: (M, P), candidates by people.
        scores: (M,), the candidates'.

    Examples:
        >>> costs = np.array([[0.1, 0.4], [0.2, np.inf]])
        >>> choose_in_order(costs, np.array([0.5, 0.9]))
        [(1, 0), (0, 1)]
    """
    costs, pairs = costs.copy(), []
    for row in np.argsort(-scores, kind="stable").tolist():
        column = int(costs[row].argmin())
        if np.isfinite(costs[row, column]):
            costs[:, column] = np.inf
            pairs.append((row, column))
    return pairs


def gaps_to(locations: np.ndarray, people: GrowingPeople) -> np.ndarray:
    """Distances of (M, 2) locations to people over the people's sizes, (M, P)."""
    known = (people.members >= 0)[..., None]
    lowest = np.where(known, people.locations, np.inf).min(axis=1)
    highest = np.where(known, people.locations, -np.inf).max(axis=1)
    sizes = np.maximum((highest - lowest).max(axis=1), 1)
    places = np.where(known, people.locations, np.inf)
    squared = ((locations[:, None, None] - places) ** 2).sum(axis=-1).min(axis=-1)
    has_size = known.sum(axis=(1, 2)) >= _MIN_FOR_SIZE
    gaps = np.minimum(np.sqrt(squared) / sizes, _WIDEST_GAP)
    return np.where(has_size, gaps, _UNKNOWN_GAP)


#: Ways of grouping by the names that users give.
GROUPINGS: dict[str, Match] = {
    "official": match_at_least_cost,
    "score_first": match_by_score,
}
