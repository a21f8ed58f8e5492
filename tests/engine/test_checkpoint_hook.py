import os
from pathlib import Path

import numpy as np
import pytest
import torch

from swahr_mmpose.checkpoints.reading import CheckpointError, read_checkpoint
from swahr_mmpose.engine import AtomicCheckpointHook

from ..helpers import load_config
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


@pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step")
def test_a_training_goes_on_between_two_steps_as_if_it_had_not_stopped(synthetic_data, tmp_path):
    """Bit-equal, with the gradients of the iteration before."""
    weights = []
    for name in ("whole", "resumed"):
        config = micro_config(synthetic_data, tmp_path / name, iterations=6)
        config.optim_wrapper.accumulative_counts = 3
        if weights:
            config.load_from, config.resume = str(tmp_path / "whole" / "iter_4.pth"), True
        runner = train(config)
        weights.append(runner.model.state_dict())
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(own, weights[1][name]) for name, own in weights[0].items())
    (log,) = Path(runner.log_dir).glob("*.log")
    assert "gradient of some iterations is lost" not in log.read_text()
    assert "accumulated_gradients" not in torch.load(tmp_path / "whole" / "iter_6.pth")


def test_epochs_of_another_length_are_not_resumed(synthetic_data, tmp_path):
    configs = [micro_config(synthetic_data, tmp_path) for _ in range(2)]
    for config, batch_size in zip(configs, (2, 4)):
        config.train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=1)
        config.default_hooks.checkpoint.by_epoch = config.log_processor.by_epoch = True
        sampler = dict(type="DefaultSampler", shuffle=False)
        config.train_dataloader.update(batch_size=batch_size, sampler=sampler)
        config.resume = True
    train(configs[0])
    with pytest.raises(CheckpointError, match="An epoch has 2 iterations, but had 4 before"):
        train(configs[1])


def validated(data, folder, save_best, metric="BottomupCocoMetric"):
    config, tiny = micro_config(data, folder, iterations=1), load_config("swahr_tiny_synthetic")
    config.val_dataloader = tiny.val_dataloader
    config.val_dataloader.update(num_workers=0, persistent_workers=False)
    config.val_dataloader.dataset.update(data_root=str(data), indices=1)
    config.val_cfg, config.val_evaluator = dict(), dict(type=metric)
    config.default_hooks.checkpoint.save_best = save_best
    return train(config)


def test_the_best_checkpoint_of_its_own_choice_is_that_of_ap(synthetic_data, tmp_path):
    config = validated(synthetic_data, tmp_path, "auto")
    assert [path.name for path in tmp_path.glob("best*")] == ["best_coco_AP_iter_1.pth"]
    (hook,) = (hook for hook in config.hooks if isinstance(hook, AtomicCheckpointHook))
    assert hook.rules == ["greater"]


@pytest.mark.parametrize(
    ("save_best", "metric", "message"),
    [
        ("AP", "BottomupCocoMetric", "`save_best` is 'AP': no such figure; 'coco/AP' is"),
        ("crowdpose/AP", "BottomupCocoMetric", "'crowdpose/AP': no such figure; 'coco/AP' is"),
        (None, "PCKAccuracy", "`PCKAccuracy` in `val_evaluator` is for one person"),
    ],
)
def test_a_validation_that_would_fail_is_refused_before_the_training(
    synthetic_data, tmp_path, save_best, metric, message
):
    with pytest.raises(ValueError, match=message):
        validated(synthetic_data, tmp_path, save_best, metric)
    assert not list(tmp_path.glob("*.pth"))
