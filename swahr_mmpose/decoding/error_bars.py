"""Error bars of keypoints, from the height and curvature of their peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout import STRIDES

#: What circles cover, and their radii in standard deviations if errors are normal.
SHARES = (0.5, 0.8, 0.95)
NORMAL_RADII = tuple((-2 * np.log(1 - np.array(SHARES))) ** 0.5)

#: Neighbours that far away say how a peak is curved, in map pixels: two of the finest stride.
_STEP = 2 * STRIDES[-1]

#: Peaks are counted as this high at least, and as wide as this at most, in map pixels.
_LEAST_HEIGHT, _GREATEST_WIDTH = 1e-3, 4.0 * _STEP

#: A type of keypoint with fewer errors gets the fit of all types.
_ENOUGH = 30


@dataclass(frozen=True)
class ErrorBars:
    """What turns :func:`peak_ratio` into a standard deviation, factor · ratio ** exponent.

    Attributes:
        factors: (K,), in input pixels.
        exponents: (K,).
        radii: Of the circles that cover :data:`SHARES` of keypoints, in standard deviations. The
            first is that of a normal distribution; large errors are more frequent than in one.
        flip_test: Whether they are for maps that are averaged with the mirrored image's.

    Raises:
        ValueError: If there are not as many factors as exponents, or other radii than three.
    """

    factors: Sequence[float]
    exponents: Sequence[float]
    radii: Sequence[float]
    flip_test: bool

    def __post_init__(self) -> None:
        if len(self.factors) != len(self.exponents) or len(self.radii) != len(SHARES):
            raise ValueError(
                "Error bars need a factor and an exponent per keypoint, and 3 radii, not "
                f"{len(self.factors)}, {len(self.exponents)} and {len(self.radii)}."
            )

    @classmethod
    def fit(
        cls, ratio: np.ndarray, error: np.ndarray, types: np.ndarray, num_types: int, flip: bool
    ) -> ErrorBars:
        """Error bars from errors that are known.

        Args:
            ratio: (N,), of :func:`peak_ratio`.
            error: (N,), distances from the labels in input pixels, above 0.
            types: (N,) int, the keypoint of each.
            num_types: K.
            flip: Whether the maps are averaged with the mirrored image's.

        Raises:
            ValueError: If there are fewer than 30 errors.
        """
        if len(error) < _ENOUGH:
            found = f"{len(error)} keypoints are found and labelled"
            raise ValueError(f"{found}, and at least {_ENOUGH} are needed. Give more images.")
        fits = []
        for k in range(num_types):
            own = types == k
            own = own if own.sum() >= _ENOUGH else np.ones(len(types), bool)
            x, y = np.log(ratio[own]), np.log(error[own])
            exponent = 0.0 if np.ptp(x) == 0 else np.polyfit(x, y, 1)[0]
            fits.append((np.exp(np.median(y - exponent * x)) / NORMAL_RADII[0], exponent))
        factors, exponents = np.array(fits).T
        radii = np.quantile(error / (factors[types] * ratio ** exponents[types]), SHARES[1:])
        return cls(factors.tolist(), exponents.tolist(), [NORMAL_RADII[0], *radii.tolist()], flip)

    def keypoint_sigmas(self, keypoints: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
        """Standard deviations (P, K), float32, in input pixels; arguments as :func:`peak_ratio`."""
        sigmas = np.array(self.factors) * peak_ratio(keypoints, heatmaps) ** self.exponents
        return sigmas.astype(np.float32)


def peak_ratio(keypoints: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Width of each keypoint's peak, as its curvature says, divided by its height.

    Args:
        keypoints: (P, K, 2), x and y in input pixels.
        heatmaps: (K, H, W), aggregated maps of the input's size.

    Returns:
        (P, K), in input pixels.

    Examples:
        >>> squared = (np.arange(32) - 16.0) ** 2
        >>> heatmap = 0.5 * np.exp(-(squared + squared[:, None]) / (2 * 4.0**2))
        >>> peak_ratio(np.array([[[16.5, 16.5]]]), heatmap[None]).round(3).tolist()
        [[8.0]]
    """
    num_keypoints, h, w = heatmaps.shape
    x, y = np.floor(keypoints).astype(int).reshape(-1, num_keypoints, 2).transpose(2, 0, 1)
    k = np.arange(num_keypoints)

    def log_at(dx: int, dy: int) -> Any:
        values = heatmaps[k, (y + dy).clip(0, h - 1), (x + dx).clip(0, w - 1)]
        return np.log(values.astype(np.float64).clip(_LEAST_HEIGHT))

    center = log_at(0, 0)
    around = log_at(_STEP, 0) + log_at(-_STEP, 0) + log_at(0, _STEP) + log_at(0, -_STEP)
    curvature = (4 * center - around) / (2 * _STEP**2)
    ratio: np.ndarray = curvature.clip(_GREATEST_WIDTH**-2) ** -0.5 / np.exp(center)
    return ratio
