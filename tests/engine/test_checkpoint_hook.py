import os
from pathlib import Path

import numpy as np
import pytest
import torch

from swahr_mmpose.checkpoints.reading import CheckpointError, read_checkpoint
from swahr_mmpose.engine import AtomicCheckpointHook

from ..micro_training import micro_config, train


@pytest.fixture(scope="module")
def trained(synthetic_data, tmp_path_factory):
    """A runner after four iterations, in a folder where a killed one had left something."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "iter_9.pth.partial").write_bytes(b"half of a chec")
    config = micro_config(synthetic_data, folder)
    saving = dict(max_keep_ckpts=2, save_best="score", rule="greater")
    config.default_hooks.checkpoint.update(saving)
    return train(config)


def checkpoints(runner):
    return sorted(path.name for path in Path(runner.work_dir).iterdir() if "pth" in path.name)


def test_only_whole_and_recent_checkpoints_stay(trained):
    assert checkpoints(trained) == ["iter_3.pth", "iter_4.pth"]
    last = Path(trained.work_dir) / "last_checkpoint"
    assert last.read_text() == str(last.with_name("iter_4.pth"))
    assert read_checkpoint(last.read_text())["meta"]["iter"] == 4


def test_the_log_does_not_warn_of_what_mmengine_does_itself(trained):
    (log,) = Path(trained.log_dir).glob("*.log")
    text = log.read_text()
    assert "Checkpoints will be saved to" in text
    assert "will be deprecated" not in text


def test_an_old_checkpoint_stays_until_the_new_one_is_there(trained, monkeypatch):
    """Also where one is kept only, and for the best one."""
    present = []
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda *names: (present.append(checkpoints(trained)), replace(*names))
    )
    (hook,) = (hook for hook in trained.hooks if isinstance(hook, AtomicCheckpointHook))
    for score in (0.5, 0.7):
        hook.after_val_epoch(trained, metrics=dict(score=score))
        trained.train_loop._iter += 1
    assert any(
        {"best_score_iter_4.pth", "best_score_iter_5.pth.partial"} <= set(p) for p in present
    )
    assert all({"iter_3.pth", "iter_4.pth"} & set(names) for names in present)
    assert checkpoints(trained) == ["best_score_iter_5.pth", "iter_4.pth", "iter_5.pth"]


def test_weights_that_are_no_numbers_are_not_saved(trained, tmp_path):
    bias = trained.model.head.final_layers[1].bias.data
    kept = bias.clone()
    bias[0] = np.nan
    with pytest.raises(FloatingPointError, match=r"in 1 tensors, first head.final_layers.1.bias"):
        trained.save_checkpoint(str(tmp_path), "broken.pth")
    bias.copy_(kept)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("meta", "it has no meta.epoch, meta.iter"),
        ("message_hub", "it has no message_hub"),
        ("optimizer", "it has no optimizer"),
    ],
)
def test_what_is_no_state_of_a_training_is_not_resumed(
    trained, synthetic_data, tmp_path, lacking, message
):
    checkpoint = dict(torch.load(trained.message_hub.get_info("last_ckpt")))
    del checkpoint[lacking]
    path = tmp_path / "weights.pth"
    torch.save(checkpoint, path)
    config = micro_config(synthetic_data, tmp_path / "work")
    config.load_from, config.resume = str(path), True
    with pytest.raises(CheckpointError, match=f"weights.pth' can't be resumed from: {message}"):
        train(config)
