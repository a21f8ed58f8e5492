"""Grouping keypoint candidates into people by their tags (associative embedding)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .candidates import Candidates
from .matching import GrowingPeople, Match, Offer, match_at_least_cost


def group_candidates(
    candidates: Candidates,
    keypoint_order: Sequence[int],
    tag_threshold: float,
    max_offered_people: int,
    match: Match = match_at_least_cost,
) -> np.ndarray:
    """Assign candidates to people, keypoint by keypoint.

    A candidate that is matched with a person joins it; all others start people of their own.

    As in the official implementation a person is known by the first tag of the candidate that
    started it, so a candidate that would start a person with exactly that tag takes the known
    one's place for this keypoint and resets its mean tag.

    Args:
        candidates: Candidates of one image, scores over the detection threshold only.
        keypoint_order: The order in which keypoints are matched.
        tag_threshold: Tag distance from which on a matched candidate is rejected.
        max_offered_people: Only this many people, the oldest, are offered for matching.
        match: Who takes which candidate of one keypoint: see
            :mod:`swahr_mmpose.decoding.matching`.

    Returns:
        (P, K, 3) float32: x and y in map pixels and the score; zeros where a keypoint is missing.

    Examples:
        >>> places, scores = [np.array([[2, 3]]), np.array([[4, 3]])], [np.ones(1), np.ones(1)]
        >>> candidates = Candidates(places, scores, [np.array([[0.1]]), np.array([[0.2]])])
        >>> people = group_candidates(candidates, (0, 1), tag_threshold=1.0, max_offered_people=30)
        >>> people.tolist()
        [[[2.0, 3.0, 1.0], [4.0, 3.0, 1.0]]]
    """
    num_keypoints, tag_dim = len(candidates.tags), candidates.tags[0].shape[1]
    most = sum(map(len, candidates.tags))
    people = GrowingPeople.places_for(most, num_keypoints, tag_dim)
    known: dict[float, int] = {}
    for k in keypoint_order:
        offer = Offer(candidates.locations[k], candidates.scores[k], candidates.tags[k])
        offered = people.first(min(len(known), max_offered_people))
        anyone = len(offered.members) and len(offer.tags)
        joined = dict(match(offer, offered, tag_threshold)) if anyone else {}
        for row, tag in enumerate(offer.tags):
            person = joined.get(row)
            if person is None:
                person = known.setdefault(float(tag[0]), len(known))
                people.tag_sums[person] = 0
                people.num_tags[person] = 0
            people.join(person, k, row, offer)
    people = people.first(len(known))
    return np.concatenate([people.locations, people.scores[..., None]], axis=2).astype(np.float32)
