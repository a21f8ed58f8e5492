"""Error bars of keypoints."""

import numpy as np
import pytest

from swahr_mmpose.decoding.error_bars import NORMAL_RADII, SHARES, ErrorBars


def test_a_fit_finds_factors_exponents_and_radii():
    """Also of a type with too few errors for its own fit, and of errors that are not normal."""
    rng = np.random.default_rng(0)
    types, ratio = rng.integers(0, 2, 20000), rng.uniform(2, 20, 20000)
    factors, exponents = np.array([0.5, 2.0]), np.array([1.5, 0.5])
    sigmas = factors[types] * ratio ** exponents[types]
    normal = sigmas * rng.rayleigh(1, 20000)
    bars = ErrorBars.fit(ratio, normal, types, 3, flip=False)
    np.testing.assert_allclose(bars.factors[:2], factors, rtol=0.1)
    np.testing.assert_allclose(bars.exponents[:2], exponents, atol=0.05)
    np.testing.assert_allclose(bars.radii, NORMAL_RADII, rtol=0.03)
    assert min(exponents) < bars.exponents[2] < max(exponents)
    swapped = np.where(rng.random(20000) < 0.15, 300, normal)
    bars = ErrorBars.fit(ratio, swapped, types, 2, flip=False)
    fitted = np.array(bars.factors)[types] * ratio ** np.array(bars.exponents)[types]
    covered = [(swapped <= radius * fitted).mean() for radius in bars.radii]
    np.testing.assert_allclose(covered, SHARES, atol=0.01)


def test_what_can_not_be_used_is_named():
    few = np.ones(29)
    with pytest.raises(ValueError, match="29 keypoints are found and labelled, and at least 30"):
        ErrorBars.fit(few, few, few.astype(int), 2, flip=True)
    with pytest.raises(ValueError, match="and 3 radii, not 2, 1 and 3"):
        ErrorBars([1, 1], [1], [1, 2, 3], flip_test=True)
