"""Errors of the people that were found, in the classes of Ronchi and Perona.

"Benchmarking and error diagnosis in multi-instance pose estimation", ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Keypoints with a similarity over the first are good, down to the second they are jittered.
GOOD, JITTERED = 0.85, 0.5

#: People with less OKS than this are not taken for one another.
SAME_PERSON = 0.1

#: Of keypoints of people that were found.
KEYPOINT_CLASSES = ("good", "jitter", "inversion", "swap", "miss")

#: Of people.
PERSON_CLASSES = ("found", "missed", "background", "duplicate")


def similarities(
    keypoints: np.ndarray, labels: np.ndarray, areas: np.ndarray, sigmas: Sequence[float]
) -> np.ndarray:
    """The similarity exp(−d²/(2·(2σ_k)²·area)) of each keypoint to each label of its kind.

    Args:
        keypoints: (P, K, 2), x and y in pixels of the image.
        labels: (N, K, 3), x, y and the visibility, 0 where not labelled.
        areas: (N,), of the labelled people.
        sigmas: (K,).

    Returns:
        (P, N, K).

    Examples:
        >>> found, label = np.array([[[10.0, 10.0]]]), np.array([[[12.0, 10.0, 2]]])
        >>> similarities(found, label, np.array([400.0]), [0.05]).round(3).tolist()
        [[[0.607]]]
    """
    squared = ((keypoints[:, None] - labels[None, ..., :2]) ** 2).sum(axis=-1)
    reach = (2 * np.asarray(sigmas)) ** 2 * (np.asarray(areas)[:, None] + np.spacing(1))
    similarity: np.ndarray = np.exp(-squared / (2 * reach))
    return similarity


def match_people(similarity: np.ndarray, labelled: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The labelled person that each found one is: from the highest score on, of greatest OKS.

    Args:
        similarity: (P, N, K).
        labelled: (N, K) bool.
        scores: (P,).

    Returns:
        (P,) int; −1 where there is none with an OKS of :data:`SAME_PERSON` that is still free.

    Examples:
        >>> similarity = np.array([[[0.9], [0.1]], [[0.8], [0.6]]])
        >>> match_people(similarity, np.ones((2, 1), bool), np.array([0.5, 0.7])).tolist()
        [1, 0]
    """
    oks = _oks(similarity, labelled)
    person = np.full(len(scores), -1)
    for row in np.argsort(-scores, kind="stable"):
        if oks.shape[1] and oks[row].max() >= SAME_PERSON:
            person[row] = oks[row].argmax()
            oks[:, person[row]] = -1
    return person


def _oks(similarity: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """OKS of each found person with each labelled one, (P, N)."""
    counts = np.maximum(labelled.sum(axis=1), 1)
    oks: np.ndarray = (similarity * labelled).sum(axis=2) / counts
    return oks


def matched_oks(
    keypoints: np.ndarray, labels: np.ndarray, areas: np.ndarray, sigmas: Sequence[float]
) -> np.ndarray:
    """The OKS of each found person with the labelled one that it is, (P,); 0 for all others.

    Whoever has the greatest OKS with a labelled person is that person. Ranked by these scores, the
    same people have the highest AP that any scores could give them.

    Args:
        keypoints: (P, K, 2), x and y in pixels of the image.
        labels: (N, K, 3), x, y and the visibility, 0 where not labelled.
        areas: (N,), of the labelled people.
        sigmas: (K,), the dataset's.

    Examples:
        >>> found, label = np.array([[[10.0, 10.0]]]), np.array([[[12.0, 10.0, 2]]])
        >>> matched_oks(found, label, np.array([400.0]), [0.1]).round(3).tolist()
        [0.882]
    """
    similarity = similarities(keypoints, labels, areas, sigmas)
    labelled = labels[..., 2] > 0
    oks = _oks(similarity, labelled)
    person = match_people(similarity, labelled, oks.max(axis=1, initial=0))
    matched = np.zeros(len(keypoints))
    found = np.flatnonzero(person >= 0)
    matched[found] = oks[found, person[found]]
    return matched


@dataclass(frozen=True)
class Diagnosis:
    """What is right and wrong in one image.

    Attributes:
        person: (P,) int, the labelled person that each found one is; −1 where it is none.
        kinds: (P, K) str, one of :data:`KEYPOINT_CLASSES`; empty where there is no label.
        duplicates: (P,) bool, whether someone who is no labelled person is one found before.
        num_labelled: People with labels.
    """

    person: np.ndarray
    kinds: np.ndarray
    duplicates: np.ndarray
    num_labelled: int

    def counts(self) -> dict[str, int]:
        """Counts by :data:`KEYPOINT_CLASSES` and :data:`PERSON_CLASSES`."""
        found = int((self.person >= 0).sum())
        duplicates = int(self.duplicates.sum())
        return dict(
            {kind: int((self.kinds == kind).sum()) for kind in KEYPOINT_CLASSES},
            found=found,
            missed=self.num_labelled - found,
            background=len(self.person) - found - duplicates,
            duplicate=duplicates,
        )


def diagnose(
    keypoints: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float],
    flip_indices: Sequence[int],
) -> Diagnosis:
    """Say what is right and wrong in one image.

    A keypoint of a person that was found is *good* (similarity over 0.85), or has *jitter* (over
    0.5). Else it is an *inversion* if its like on the other side of the same person is there, a
    *swap* if one of this kind, or its like on the other side, of another person is there, and a
    *miss* if neither. A found person that is no labelled one is a *duplicate* if it has an OKS of
    0.5 with one that was found, else *background*.

    Args:
        keypoints: (P, K, 2), x and y in pixels of the image.
        scores: (P,).
        labels: (N, K, 3), x, y and the visibility, 0 where not labelled; people with at least
            one label.
        areas: (N,), of the labelled people.
        sigmas: (K,), the dataset's.
        flip_indices: (K,), for each keypoint its like on the other side.

    Examples:
        >>> label = np.array([[[10.0, 10, 2], [40, 10, 2], [25, 40, 2]]])
        >>> found = label[:, [1, 0, 2], :2]  # the first two are exchanged
        >>> areas, sigmas, flip_indices = np.array([900.0]), [0.05] * 3, [1, 0, 2]
        >>> diagnose(found, np.ones(1), label, areas, sigmas, flip_indices).kinds.tolist()
        [['inversion', 'inversion', 'good']]
    """
    labelled = labels[..., 2] > 0
    own = similarities(keypoints, labels, areas, sigmas)
    mirrored = similarities(keypoints, labels[:, flip_indices], areas, sigmas)
    mirrored_labelled = labelled[:, flip_indices]
    person = match_people(own, labelled, scores)
    kinds = np.full(keypoints.shape[:2], "", dtype="<U9")
    for row in np.flatnonzero(person >= 0):
        column = person[row]
        there = (own[row] > JITTERED) & labelled
        there_mirrored = (mirrored[row] > JITTERED) & mirrored_labelled
        others = np.arange(len(labels)) != column
        swapped = (there | there_mirrored)[others].any(axis=0)
        similarity = own[row, column]
        own_kinds = np.select(
            [similarity > GOOD, similarity > JITTERED, there_mirrored[column], swapped],
            KEYPOINT_CLASSES[:-1],
            KEYPOINT_CLASSES[-1],
        )
        kinds[row] = np.where(labelled[column], own_kinds, "")
    again = (_oks(own, labelled) > JITTERED).any(axis=1) & (person < 0)
    return Diagnosis(person, kinds, again, len(labels))
