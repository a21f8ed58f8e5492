import math
from pathlib import Path

import pytest
import torch

from swahr_mmpose.engine import FiniteLossesHook

from ..micro_training import micro_config, train


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_losses_that_are_not_finite_name_their_images_and_nothing_is_saved(
    synthetic_data, tmp_path, value
):
    config = micro_config(synthetic_data, tmp_path)
    config.custom_hooks.append(dict(type="PoisonHook", iteration=2, value=value))
    message = r"loss, loss_poison of the batch with the images \[\d+, \d+\] are NaN or infinite"
    with pytest.raises(FloatingPointError, match=message):
        train(config)
    last = Path((tmp_path / "last_checkpoint").read_text())
    assert [last, *tmp_path.glob("iter_3*")] == [tmp_path / "iter_2.pth"]


def test_figures_of_the_log_are_no_losses():
    outputs = dict(loss=torch.zeros(()), mean_width=torch.tensor(math.nan))
    FiniteLossesHook().after_train_iter(None, 0, {}, outputs)
