"""Trainings in half precision."""

import numpy as np
import pytest
import torch

from ..micro_training import logged_losses, micro_config, train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("iterations", [60, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_stay_finite_in_half_precision(synthetic_data, tmp_path, dtype, iterations):
    """And fall; NaN or infinity would have ended the training."""
    if dtype == torch.float16:
        try:
            with torch.autocast("cpu", dtype):
                torch.nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 2, 2)).sum().backward()
        except RuntimeError as error:
            pytest.skip(f"this torch has no float16 on the CPU: {error}")
    config = micro_config(synthetic_data, tmp_path, iterations=iterations)
    config.default_hooks.checkpoint.interval = iterations
    with torch.autocast("cpu", dtype, cache_enabled=False):
        model = train(config).model
    losses = np.array([list(logged_losses(tmp_path)[step]) for step in range(1, iterations + 1)])
    assert np.isfinite(losses).all()
    quarter = iterations // 4
    assert losses[-quarter:].mean() < losses[:quarter].mean()
    assert all(value.isfinite().all() for value in model.state_dict().values())
