"""Removes people who were found twice."""

from __future__ import annotations

import numpy as np


def pose_areas(people: np.ndarray) -> np.ndarray:
    """Areas of the boxes around keypoints with a positive score, (P,), at least 1 map pixel.

    Examples:
        >>> pose_areas(np.array([[[2, 1, 0.9], [8, 6, 0.7], [0, 0, 0]]])).tolist()
        [30.0]
    """
    found = (people[..., 2] > 0)[..., None]
    lowest = np.where(found, people[..., :2], np.inf).min(axis=1, initial=np.inf)
    highest = np.where(found, people[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    areas: np.ndarray = np.maximum(highest - lowest, 1).prod(axis=1)
    return areas


def without_duplicates(
    people: np.ndarray,
    scores: np.ndarray,
    found: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
) -> np.ndarray:
    """Indices of the people that stay, in their order: pose NMS by OKS.

    From the highest score on, each person drops those who are the same: whose OKS with it is over
    the threshold. The OKS is the mean of exp(−d²/(2·(2σ_k)²·area)) over the keypoints that were
    found of the other, for the area of the person that stays. Keypoints that were filled in do not
    count: where little of someone is seen, they are those of the neighbours.

    Args:
        people: (P, K, 3), x and y in map pixels and the score; score 0 where missing.
        scores: (P,).
        found: (P, K) bool, which keypoints were found and not filled in.
        sigmas: (K,), the dataset's.
        threshold: OKS.

    Examples:
        >>> person = np.array([[[10.0, 10, 1], [40, 40, 1]]])
        >>> people = np.concatenate([person, person + [1, 1, 0], person + [200, 0, 0]])
        >>> found, sigmas = np.ones((3, 2), bool), np.array([0.1, 0.1])
        >>> without_duplicates(people, np.array([0.5, 0.9, 0.4]), found, sigmas, 0.7)
        array([1, 2])
    """
    areas = pose_areas(people)
    known = people[..., 2] > 0
    remaining = np.argsort(-scores, kind="stable")
    kept = []
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        kept.append(best)
        squared = ((people[remaining, :, :2] - people[best, :, :2]) ** 2).sum(axis=-1)
        similarity = np.exp(-squared / (2 * (2 * sigmas) ** 2 * areas[best])) * known[best]
        counted = found[remaining]
        oks = (similarity * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
        remaining = remaining[oks <= threshold]
    return np.sort(np.array(kept, int))
