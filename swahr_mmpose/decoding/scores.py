"""How sure people are: the score that ranks them."""

from __future__ import annotations

import numpy as np

from .options import DecodeOptions

#: Peaks are taken to be at least so high: a lower one says nothing about where the keypoint is.
_LEAST_PEAK = 1e-3


def instance_scores(people: np.ndarray, options: DecodeOptions) -> np.ndarray:
    """The scores of people before missing keypoints are filled in, (P,) float32.

    ``'mean'`` is the mean of the keypoint scores over K (official implementation).
    ``'expected_oks'`` is the mean of keypoint score times :func:`expected_similarity`.

    Args:
        people: (P, K, 3), x and y in map pixels and the score; score 0 where missing.
        options: How people are read.

    Raises:
        ValueError: If the options lack the dataset's sigmas for these keypoints.

    Examples:
        >>> person = np.array([[[5, 5, 0.8], [9, 5, 0.4]]])
        >>> instance_scores(person, DecodeOptions())
        array([0.6], dtype=float32)
    """
    scores = people[..., 2]
    if options.score == "expected_oks":
        sigmas = options.sigmas_for(people.shape[1])
        scores = scores * expected_similarity(people, sigmas, options.peak_sigma)
    mean: np.ndarray = scores.mean(axis=1, dtype=np.float32)
    return mean


def expected_similarity(people: np.ndarray, sigmas: np.ndarray, peak_sigma: float) -> np.ndarray:
    r"""The similarity (the part of OKS) that each keypoint is expected to have, (P, K).

    A network that is unsure where a keypoint is, with a standard deviation :math:`s`, predicts the
    mean of Gaussians around where it may be. Its peak is about
    :math:`p = \sigma_0^2/(\sigma_0^2 + s^2)`, so :math:`s^2 = \sigma_0^2 (1 - p)/p`. The expected
    similarity then is :math:`l^2/(l^2 + s^2)` with :math:`l^2 = (2 \sigma_k)^2 \cdot` area. The
    area is that of the box around the keypoints that were found. After Gu et al., "On the
    calibration of human pose estimation", ICML 2024.

    Args:
        people: (P, K, 3), x and y in map pixels and the score; score 0 where missing.
        sigmas: (K,), the dataset's.
        peak_sigma: Width σ0 of the network's peaks in map pixels.

    Examples:
        >>> people = np.array([[[0, 0, 1.0], [10, 10, 0.5]]])
        >>> expected_similarity(people, np.array([0.1, 0.1]), peak_sigma=2.0).round(3).tolist()
        [[1.0, 0.5]]
    """
    peaks = people[..., 2].clip(_LEAST_PEAK, 1)
    spread = peak_sigma**2 * (1 - peaks) / peaks
    reach = (2 * sigmas) ** 2 * pose_areas(people)[:, None]
    similarity: np.ndarray = reach / (reach + spread)
    return similarity


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
