"""Grouping keypoint candidates into people by their tags (associative embedding)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from .candidates import Candidates

#: Weight of the tie-break: too small to outweigh a step of the cost, large enough for float64.
_TIE_WEIGHT = 1e-6


@dataclass
class _Person:
    """A person while keypoints join.

    Attributes:
        members: Candidate's index by keypoint.
        scores: The candidates' scores by keypoint.
        tag_sum: Sum of ``num_tags`` tags, (L,).
    """

    members: dict[int, int] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    tag_sum: np.ndarray | float = 0.0
    num_tags: int = 0

    def add(self, k: int, row: int, candidates: Candidates) -> None:
        self.members[k] = row
        self.scores[k] = float(candidates.scores[k][row])
        tag = candidates.tags[k][row]
        # in float32, as the tags are: the rounding of distances must see the official means
        self.tag_sum = self.tag_sum + tag if self.num_tags else tag
        self.num_tags += 1


def group_candidates(
    candidates: Candidates,
    keypoint_order: Sequence[int],
    tag_threshold: float,
    max_offered_people: int,
    grouping: str = "official",
) -> np.ndarray:
    """Assign candidates to people, keypoint by keypoint.

    The official way is minimum-cost matching. The cost between a candidate and a person is
    ``round(d)·100 − score``, ``d`` the Euclidean distance of the candidate's tag to the person's
    mean tag. A matched candidate joins its person where ``d`` is under the threshold; all others
    start people of their own.

    As in the official implementation a person is known by the first tag of the candidate that
    started it, so a candidate that would start a person with exactly that tag takes the known
    one's place for this keypoint and resets its mean tag.

    Rounded distances make equal costs the rule in crowds. The official implementation leaves them
    to the version of a library. Here, among assignments of least cost, the one wins in which
    candidates' scores are nearest to the mean scores of the people they join (least sum of
    squares).

    With ``'score_first'`` the candidates choose in order of their scores: each takes, of the people
    that are free and within the threshold, the one of least ``round(d)``, and of those the oldest.
    A weak candidate can't take a person from a precise one then.

    Args:
        candidates: Candidates of one image, scores over the detection threshold only.
        keypoint_order: The order in which keypoints are matched.
        tag_threshold: Tag distance from which on a matched candidate is rejected.
        max_offered_people: Only this many people, the oldest, are offered for matching.
        grouping: ``'official'`` or ``'score_first'``.

    Returns:
        (P, K, 3) float32: x and y in map pixels and the score; zeros where a keypoint is missing.
    """
    match = _match_by_cost if grouping == "official" else _match_by_score
    people: dict[float, _Person] = {}
    for k in keypoint_order:
        offered = list(people.values())[:max_offered_people]
        tags, scores = candidates.tags[k], candidates.scores[k]
        pairs = match(tags, scores, offered, tag_threshold) if offered and len(tags) else ()
        joined = {row: offered[column] for row, column in pairs}
        for row, tag in enumerate(tags):
            person = joined.get(row)
            if person is None:
                person = people.setdefault(float(tag[0]), _Person())
                person.num_tags = 0
            person.add(k, row, candidates)

    grouped = np.zeros((len(people), len(candidates.tags), 3), dtype=np.float32)
    for row, person in zip(grouped, people.values()):
        for k, index in person.members.items():
            row[k, :2] = candidates.locations[k][index]
            row[k, 2] = candidates.scores[k][index]
    return grouped


def _distances(tags: np.ndarray, people: Sequence[_Person]) -> np.ndarray:
    """Distances of tags (M, L) to the people's mean tags, (M, P)."""
    means = np.stack([person.tag_sum / person.num_tags for person in people])
    distances: np.ndarray = np.linalg.norm(tags[:, None].astype(np.float64) - means[None], axis=2)
    return distances


def _match_by_cost(
    tags: np.ndarray, scores: np.ndarray, people: Sequence[_Person], tag_threshold: float
) -> Iterator[tuple[int, int]]:
    """Candidates of one keypoint and the people that they join, at least cost; both by index."""
    # imported here: without anyone to group, decoding needs no SciPy, which is slow to import
    from scipy.optimize import linear_sum_assignment

    distances = _distances(tags, people)
    own = scores[:, None].astype(np.float64)
    mean_scores = np.array([sum(person.scores.values()) / len(person.scores) for person in people])
    costs = np.round(distances) * 100 - own
    rows, columns = linear_sum_assignment(costs + _TIE_WEIGHT * (own - mean_scores) ** 2)
    for row, column in zip(rows.tolist(), columns.tolist()):
        if distances[row, column] < tag_threshold:
            yield row, column


def _match_by_score(
    tags: np.ndarray, scores: np.ndarray, people: Sequence[_Person], tag_threshold: float
) -> Iterator[tuple[int, int]]:
    """Candidates of one keypoint, the highest first, and the free people that they choose."""
    distances = _distances(tags, people)
    costs = np.where(distances < tag_threshold, np.round(distances), np.inf)
    for row in np.argsort(-scores, kind="stable").tolist():
        column = int(costs[row].argmin())
        if np.isfinite(costs[row, column]):
            costs[:, column] = np.inf
            yield row, column
