"""Comparison of two ways of finding people on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .per_image_ap import ImageResult, Ranking


@dataclass(frozen=True)
class Difference:
    """A difference in AP and its 95 % interval.

    Attributes:
        value: AP of the second less AP of the first, on all images.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def compare(
    first: Sequence[ImageResult],
    second: Sequence[ImageResult],
    num_resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """The difference in AP with a paired bootstrap over images (BCa).

    Args:
        first: Results of one way, by image.
        second: Those of the other, for the same images in the same order.
        num_resamples: Resamples of the images.
        seed: Decides them.

    Raises:
        ValueError: If the numbers of images differ or are under two, or no one is labelled.

    Examples:
        >>> no = np.zeros((1, 1), bool)
        >>> wrong, right = (ImageResult(np.ones(1), matched, no, 1) for matched in (no, ~no))
        >>> difference = compare([wrong, right] * 4, [right] * 8, num_resamples=100)
        >>> round(difference.value, 2), difference.low > 0
        (0.75, True)
    """
    # imported here: all of SciPy's distributions come with it
    from scipy.stats import bootstrap

    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            "Two results for the same images, at least two, are needed to compare, but got "
            f"{len(first)} and {len(second)}."
        )

    if not any(result.num_people for result in first):
        raise ValueError("No one is labelled in the images to compare, so they have no AP.")
    before, after = Ranking(first), Ranking(second)

    def difference(picked: np.ndarray) -> float:
        higher = after.average_precision(picked).mean() - before.average_precision(picked).mean()
        return float(np.nan_to_num(higher))  # 0 if no one is labelled in the images picked

    everything = np.arange(len(first))
    value = difference(everything)
    draws = np.random.default_rng(seed).integers(len(first), size=(20, len(first)))
    if value == 0 and all(difference(draw) == 0 for draw in draws):
        return Difference(0.0, 0.0, 0.0)  # nothing varies, and BCa is not defined
    interval = bootstrap(
        (everything,),
        difference,
        vectorized=False,
        n_resamples=num_resamples,
        method="BCa",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Difference(value, float(interval.low), float(interval.high))
