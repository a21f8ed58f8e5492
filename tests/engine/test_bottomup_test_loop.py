"""The test loop that decodes one batch while the network runs on the next."""

import json
import threading

import pytest
from mmengine.runner import Runner

from ..helpers import load_config


def runner_of(loop, synthetic_data, tmp_path):
    config = load_config("swahr_tiny_synthetic")
    config.test_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.test_dataloader.dataset.data_root = str(synthetic_data)
    config.train_dataloader = config.train_cfg = config.optim_wrapper = None
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.param_scheduler = config.auto_scale_lr = None
    config.test_cfg = dict(type=loop)
    config.test_evaluator.outfile_prefix = str(tmp_path / loop)
    config.work_dir = str(tmp_path)
    config.experiment_name = f"{loop}_{tmp_path.name}"
    config.randomness = dict(seed=0)
    runner = Runner.from_cfg(config)
    runner.model.init_weights()
    # make people appear
    runner.model.head.final_layers[1].bias.data += 0.5
    return runner


def test_people_and_figures_are_those_of_the_stock_loop(synthetic_data, tmp_path):
    found = {}
    for loop in ("TestLoop", "BottomupTestLoop"):
        metrics = runner_of(loop, synthetic_data, tmp_path).test()
        people = json.loads((tmp_path / f"{loop}.keypoints.json").read_text())
        found[loop] = metrics, people
    assert found["TestLoop"] == found["BottomupTestLoop"]
    assert len(people) > 0


def test_decoding_runs_beside_the_network(synthetic_data, tmp_path):
    """Batch n is decoded in another thread, after the network has seen it."""
    runner = runner_of("BottomupTestLoop", synthetic_data, tmp_path)
    model, seen = runner.model, []
    network, decode = model._run_network, model._decode

    def watched_network(inputs, samples):
        seen.append(("network", threading.current_thread() is threading.main_thread()))
        return network(inputs, samples)

    def watched_decode(maps, samples):
        seen.append(("decode", threading.current_thread() is threading.main_thread()))
        return decode(maps, samples)

    model._run_network, model._decode = watched_network, watched_decode
    runner.test()
    assert ("network", True) in seen
    assert ("decode", False) in seen
    assert ("decode", True) not in seen


def test_errors_while_decoding_are_not_lost(synthetic_data, tmp_path):
    runner = runner_of("BottomupTestLoop", synthetic_data, tmp_path)

    def fail(*_):
        raise RuntimeError("decoding failed")

    runner.model._decode = fail
    with pytest.raises(RuntimeError, match="decoding failed"):
        runner.test()
