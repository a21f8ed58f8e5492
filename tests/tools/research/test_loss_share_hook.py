"""The hook that logs where the heatmap loss comes from."""

import sys

import pytest
import torch

from ...helpers import ROOT

sys.path.insert(0, str(ROOT / "tools" / "research" / "ablation"))
from loss_share_hook import foreground_loss_share


def maps():
    """One pixel of people among 16, both with the error ½."""
    target = torch.zeros(1, 1, 4, 4)
    target[0, 0, 1, 1] = 1
    pred = torch.full_like(target, 0.5)
    return pred, target


def test_share_of_the_squared_error_is_that_of_the_pixels():
    assert foreground_loss_share(*maps()).item() == pytest.approx(1 / 16)


def test_masked_pixels_do_not_count():
    pred, target = maps()
    mask = torch.zeros(1, 1, 4, 4)
    mask[0, 0, :2, :2] = 1
    assert foreground_loss_share(pred, target, mask=mask).item() == pytest.approx(1 / 4)


def test_pixel_weight_counts():
    pred, target = maps()
    pred[target == 0] = 0.1
    plain = foreground_loss_share(pred, target)
    weighted = foreground_loss_share(pred, target, gamma=0.01)
    assert plain.item() == pytest.approx(0.25 / (0.25 + 15 * 0.01))
    assert weighted.item() == pytest.approx(0.125 / (0.125 + 15 * 0.001))
