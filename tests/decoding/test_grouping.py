"""Candidates to people: who joins whom, and that neither order nor side decides."""

import numpy as np
import pytest

from swahr_mmpose.decoding import (
    GROUPINGS,
    Candidates,
    DecodeOptions,
    find_candidates,
    group_candidates,
)

from ..helpers import as_set, noisy_maps


def grouped(scores, tags, grouping="official"):
    """Group candidates of two keypoints; those of the first start the people."""
    candidates = Candidates(
        locations=[np.array([[index, k] for index in range(len(scores[k]))]) for k in range(2)],
        scores=[np.array(own, np.float32) for own in scores],
        tags=[np.array(own, np.float32)[:, None] for own in tags],
    )
    return group_candidates(candidates, (0, 1), 1.0, 30, GROUPINGS[grouping])


def test_score_first_lets_the_precise_candidate_choose():
    """The official cost is least where the weak one takes the near person."""
    first, second = ([0.9, 0.8], [0.0, 1.2]), ([0.7, 0.2], [0.4, -0.45])
    scores, tags = zip(first, second)
    official, by_score = (grouped(scores, tags, name) for name in ("official", "score_first"))
    # by_score: the candidate of 0.7 takes the person at 0, the weak one then is too far from 1.2
    assert by_score[0, :, 2].tolist() == pytest.approx([0.9, 0.7])
    assert by_score[1, :, 2].tolist() == pytest.approx([0.8, 0.0])
    # official: both join someone, at distances that round to 0 and 1
    assert official[0, :, 2].tolist() == pytest.approx([0.9, 0.2])
    assert official[1, :, 2].tolist() == pytest.approx([0.8, 0.7])


def test_score_first_prefers_the_person_with_more_keypoints():
    """Both are near enough; the stray candidate's tag is nearer by chance."""
    people = grouped([[0.9, 0.2], [0.7]], [[0.3, 0.0], [0.1]], "score_first")
    assert people[0, :, 2].tolist() == pytest.approx([0.9, 0.7])
    assert people[1, 1, 2] == 0


def test_score_first_prefers_the_person_that_is_near():
    """Two people alike but for their places, of three keypoints each; then a fourth."""
    places = np.array([[10, 10], [60, 60]])
    candidates = Candidates(
        locations=[places + 8 * k for k in range(3)] + [places[1:] + 30],
        scores=[np.float32([0.9, 0.9])] * 3 + [np.float32([0.8])],
        tags=[np.float32([[0.0], [0.4]])] * 3 + [np.float32([[0.2]])],
    )
    people = group_candidates(candidates, range(4), 1.0, 30, GROUPINGS["score_first"])
    assert people[:, 3, 2].tolist() == pytest.approx([0, 0.8])


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_more_candidates_than_people_start_new_ones(grouping):
    people = grouped([[0.9], [0.8, 0.7]], [[0.0], [0.1, 0.3]], grouping)
    np.testing.assert_allclose(people[..., 2], [[0.9, 0.8], [0, 0.7]])


@pytest.mark.parametrize(
    ("scores", "tags", "expected"),
    [
        # all tag distances round to 0, so that both assignments cost the same: scores decide
        ([0.85, 0.25], [[0.0, 0.2], [0.1, 0.1]], [(0.3, 0.25), (0.9, 0.85)]),
        ([0.25, 0.85], [[0.0, 0.2], [0.1, 0.1]], [(0.3, 0.25), (0.9, 0.85)]),
        # a step of the cost outweighs likeness
        ([0.85, 0.25], [[0.0, 0.9], [0.9, 0.0]], [(0.3, 0.85), (0.9, 0.25)]),
    ],
)
def test_equal_costs_go_by_likeness_of_scores(scores, tags, expected):
    people = grouped([[0.9, 0.3], scores], tags)
    pairs = sorted(tuple(person[:, 2].round(2)) for person in people.astype(np.float64))
    assert pairs == expected


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_the_order_of_candidates_does_not_matter(grouping):
    for seed in range(20):
        candidates = find_candidates(*noisy_maps(seed), DecodeOptions())
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(len(own)) for own in candidates.scores]
        shuffled = Candidates(
            *(
                [own[order] for own, order in zip(values, orders)]
                for values in (candidates.locations, candidates.scores, candidates.tags)
            )
        )
        # so many people may be offered that the order in which they came does not matter
        people, same = (
            group_candidates(own, range(5), 1.0, 1000, GROUPINGS[grouping])
            for own in (candidates, shuffled)
        )
        np.testing.assert_allclose(as_set(same), as_set(people), atol=1e-6)
