"""The test loop that decodes one batch while the network runs on the next."""

import json
import threading

import pytest
import torch
from mmengine.runner import Runner

from ..helpers import evaluation_config


def runner_of(loop, synthetic_data, tmp_path):
    config = evaluation_config(synthetic_data / "annotations" / "val.json")
    config.test_cfg = dict(type=loop)
    config.test_evaluator.outfile_prefix = str(tmp_path / loop)
    config.work_dir = str(tmp_path)
    config.experiment_name = f"{loop}_{tmp_path.name}"
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


def watch_decoding(runner, note):
    """Call a function at each batch that is decoded."""
    decoder = runner.model.head.decoder
    decode = decoder.read_people
    decoder.read_people = lambda *args: (note(), decode(*args))[1]


def test_decoding_runs_beside_the_network(synthetic_data, tmp_path):
    """Batch n is decoded in another thread, after the network has seen it."""
    runner = runner_of("BottomupTestLoop", synthetic_data, tmp_path)
    network, decoding = set(), set()
    runner.model.head.final_layers[0].register_forward_hook(
        lambda *_: network.add(threading.current_thread())
    )
    watch_decoding(runner, lambda: decoding.add(threading.current_thread()))
    runner.test()
    assert network == {threading.main_thread()}
    assert len(decoding) == 1
    assert decoding != network


def test_errors_while_decoding_are_not_lost(synthetic_data, tmp_path):
    runner = runner_of("BottomupTestLoop", synthetic_data, tmp_path)

    def fail(*_):
        raise RuntimeError("decoding failed")

    runner.model.head.decoder.read_people = fail
    with pytest.raises(RuntimeError, match="decoding failed"):
        runner.test()


@pytest.mark.gpu
def test_all_batches_are_decoded_in_one_stream(synthetic_data, tmp_path, gpu):
    if gpu == "cpu":
        pytest.skip("the CPU has no streams")
    runner = runner_of("BottomupTestLoop", synthetic_data, tmp_path)
    streams = []
    watch_decoding(runner, lambda: streams.append(torch.cuda.current_stream().cuda_stream))
    runner.test()
    assert len(streams) == 4
    assert len(set(streams)) == 1
    assert streams[0] != torch.cuda.current_stream().cuda_stream


def test_an_estimator_that_it_can_not_test_is_named(synthetic_data, tmp_path):
    config = evaluation_config(synthetic_data / "annotations" / "val.json")
    config.model.type = "BottomupPoseEstimator"
    config.work_dir = str(tmp_path)
    config.experiment_name = tmp_path.name
    with pytest.raises(TypeError, match=r"can't test a `BottomupPoseEstimator`.*type='TestLoop'"):
        Runner.from_cfg(config).test()
