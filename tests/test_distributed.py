"""Two processes train and test one model; on the CPU, since MMEngine's launcher needs GPUs."""

import json
import os
import shutil
import warnings

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS, METRICS, OPTIMIZERS

from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.checkpoints.reading import read_checkpoint

from .checkpoints.test_reading import server  # noqa: F401  (a fixture)
from .helpers import build_model, dataset_meta, evaluation_config, load_config, sample_of_people
from .micro_training import micro_config, train, without_chance

pytestmark = pytest.mark.slow


def _start(rank, function, rendezvous, queue, args):
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(1)
    queue.put((rank, function(rank, *args)))
    dist.destroy_process_group()


def in_two_processes(function, folder, *args):
    """What the function returned on each rank."""
    rendezvous = folder / "rendezvous"
    rendezvous.unlink(missing_ok=True)
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(_start, args=(function, rendezvous, queue, args), nprocs=2)
    return [result for _, result in sorted([queue.get() for _ in range(2)])]


def on_two_cpus(config, work_dir):
    """The config for MMEngine's runner, in one of two processes."""
    config.launcher, config.work_dir = "pytorch", str(work_dir)
    config.env_cfg.dist_cfg.backend = "gloo"
    config.model_wrapper_cfg = dict(type="MMDistributedDataParallel", device_ids=None)
    return config


def _train(rank, folder, work_dir, weight_branch):
    config = on_two_cpus(micro_config(folder, work_dir, iterations=2), work_dir)
    config.model.head.weight_branch = weight_branch
    assert config.custom_hooks == [dict(type="ChannelsLastHook")]
    runner = Runner.from_cfg(config)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runner.train()
    model = runner.model.module
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return (
        [str(w.message) for w in caught if "strides" in str(w.message)],
        model.backbone.conv1.weight.is_contiguous(memory_format=torch.channels_last),
        weights.double().sum().item(),
    )


@pytest.mark.parametrize("weight_branch", ["analytic", "learned"])
def test_two_processes_keep_the_same_weights(synthetic_data, tmp_path, weight_branch):
    """In channels_last: the wrapper's buckets for gradients have this layout from the first step.

    Every parameter takes part in each step, or the wrapper would stop.
    """
    args = str(synthetic_data), str(tmp_path / "work"), weight_branch
    results = in_two_processes(_train, tmp_path, *args)
    for complaints, is_channels_last, _ in results:
        assert complaints == []
        assert is_channels_last
    assert results[0][2] == results[1][2]


@OPTIMIZERS.register_module()
class KeepGradients(torch.optim.SGD):
    """Keeps the gradients, and leaves the weights as they are."""

    def step(self, closure=None):
        parameters = (own for group in self.param_groups for own in group["params"])
        self.kept = torch.cat([own.grad.flatten() for own in parameters])


@HOOKS.register_module()
class FrozenStatistics(Hook):
    """Batch norm with its running statistics, which do not depend on how a batch is shared out."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()


def gradients(config, bf16=False):
    """Those of one step of a training of `micro_config`."""
    config = without_chance(config)
    config.train_dataloader.sampler = dict(type="DefaultSampler", shuffle=False)
    config.custom_hooks.append(dict(type="FrozenStatistics"))
    config.optim_wrapper.optimizer = dict(type="KeepGradients", lr=1.0)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16, cache_enabled=False):
        return train(config).optim_wrapper.optimizer.kept


def _gradients(rank, cases):
    """Where the gradients of each case are, which are too much for the pipe of results."""
    for data, folder, accumulation, bf16 in cases:
        config = on_two_cpus(micro_config(data, folder, iterations=accumulation), folder)
        config.train_dataloader.batch_size = 2 // accumulation
        config.optim_wrapper.accumulative_counts = accumulation
        np.save(f"{folder}/gradients{rank}.npy", gradients(config, bf16).numpy())


def without_people_in_every_second(folder, to):
    """A copy of the dataset, in which one of two processes sees no one."""
    shutil.copytree(folder, to)
    path = to / "annotations" / "train.json"
    content = json.loads(path.read_text())
    empty = {image["id"] for image in content["images"][1::2]}
    for annotation in content["annotations"]:
        if annotation["image_id"] in empty:
            annotation.update(keypoints=[0] * 51, num_keypoints=0)
    path.write_text(json.dumps(content))
    return to


def test_gradients_are_those_of_the_joint_batch(synthetic_data, tmp_path):
    """Of two processes with two images each, and of one with four; in bfloat16 nearly so.

    A weight's gradients are summed in another order, which eight bits show.
    """
    few = without_people_in_every_second(synthetic_data, tmp_path / "data")
    names = ["plain", "accumulated", "rank_without_people", "both", "bfloat16"]
    cases = [
        (str(data), str(tmp_path / name), accumulation, name == "bfloat16")
        for name, data, accumulation in zip(
            names, [synthetic_data, synthetic_data, few, few, synthetic_data], [1, 2, 1, 2, 1]
        )
    ]
    in_two_processes(_gradients, tmp_path, cases)
    for name, (data, folder, _, bf16) in zip(names, cases):
        first, second = (np.load(f"{folder}/gradients{rank}.npy") for rank in range(2))
        np.testing.assert_array_equal(first, second)
        config = micro_config(data, tmp_path / f"{name}_one", iterations=1)
        config.train_dataloader.batch_size = 4
        joint = gradients(config, bf16).numpy()
        assert np.abs(joint).max() > 1e-3
        assert np.linalg.norm(first - joint) < (2e-2 if bf16 else 1e-5) * np.linalg.norm(joint)
        if not bf16:
            np.testing.assert_allclose(first, joint, atol=1e-5)


def _failing(rank, data, work_dir, changes):
    """What a training says as it ends with an error."""
    config = on_two_cpus(micro_config(data, work_dir), work_dir)
    config.merge_from_dict(changes)
    with pytest.raises((ValueError, FloatingPointError)) as caught:
        train(config)
    return str(caught.value)


def test_synchronised_batch_norm_needs_a_gpu(synthetic_data, tmp_path):
    """torch has no other; both processes say so, and neither waits for the other."""
    norm = dict(type="SyncBN")
    changes = {f"model.{part}.norm_cfg": norm for part in ("backbone", "head")}
    args = str(synthetic_data), str(tmp_path / "work"), changes
    for said in in_two_processes(_failing, tmp_path, *args):
        assert "SyncBatchNorm layers only work with GPU modules" in said


def test_losses_of_one_process_end_all(synthetic_data, tmp_path):
    """And none saves what came of them."""
    work_dir = tmp_path / "work"
    poison = dict(type="PoisonHook", iteration=2, value=np.inf, rank=1)
    args = (
        str(synthetic_data),
        str(work_dir),
        dict(custom_hooks=[dict(type="ChannelsLastHook"), poison]),
    )
    first, second = in_two_processes(_failing, tmp_path, *args)
    assert first.startswith("A loss of another process is NaN or infinite")
    assert second.startswith("loss, loss_poison of the batch with the images")
    assert sorted(path.name for path in work_dir.glob("*.pth")) == ["iter_1.pth", "iter_2.pth"]


def _test(rank, ann_file, checkpoint, out):
    config = on_two_cpus(evaluation_config(ann_file), out / f"work{rank}")
    config.test_evaluator.outfile_prefix = str(out / "two")
    config.load_from = checkpoint
    config.test_dataloader.batch_size = 1
    return Runner.from_cfg(config).test()


def test_two_processes_find_what_one_does(synthetic_data, tmp_path):
    """All images once, though 7 can't be shared out evenly."""
    content = json.loads((synthetic_data / "annotations" / "val.json").read_text())
    content["images"] = content["images"][:7]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    ann_file = synthetic_data / "annotations" / "seven.json"
    ann_file.write_text(json.dumps(content))
    config = evaluation_config(ann_file)
    model = build_model(config)
    model.init_weights()
    model.head.final_layers[1].bias.data += 0.5  # makes people appear
    checkpoint = tmp_path / "random.pth"
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)

    config.load_from, config.work_dir = str(checkpoint), str(tmp_path / "work")
    # batches that differ would be summed in another order, and nearly level maps turn on that
    config.test_dataloader.batch_size = 1
    config.test_evaluator.outfile_prefix = str(tmp_path / "one")
    alone = Runner.from_cfg(config).test()
    together = in_two_processes(_test, tmp_path, ann_file, str(checkpoint), tmp_path)
    assert together[0] == together[1]
    assert together[0] == pytest.approx(alone)
    one, two = (
        sorted(json.loads((tmp_path / f"{name}.keypoints.json").read_text()), key=json.dumps)
        for name in ("one", "two")
    )
    assert {person["image_id"] for person in one} == kept
    assert one == two


def _evaluate(rank, ann_file):
    """Rank 0 finds no one, rank 1 everyone."""
    config = load_config("swahr_tiny_synthetic")
    metric = METRICS.build(dict(type="BottomupCocoMetric", ann_file=str(ann_file)))
    metric.dataset_meta = dataset_meta(config)
    content = json.loads(ann_file.read_text())
    samples = []
    for image in content["images"][rank::2]:
        people = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        people = [a["keypoints"] for a in people if a["num_keypoints"]] if rank else []
        keypoints = np.array(people, float).reshape(-1, 17, 3)[..., :2]
        samples.append(sample_of_people(image["id"], keypoints, np.ones(len(keypoints))))
    metric.process(None, samples)
    return metric.evaluate(len(content["images"]))


def test_a_rank_that_finds_no_one_does_not_make_ap_0(synthetic_data, tmp_path):
    ann_file = synthetic_data / "annotations" / "val.json"
    first, second = in_two_processes(_evaluate, tmp_path, ann_file)
    assert first == second
    assert first["coco/AP"] > 0


def _load_from_address(rank, address):
    model = build_model(load_config("swahr_tiny_synthetic"))
    model.init_cfg = dict(type="Pretrained", checkpoint=f"{address}/weights.pth")
    model.init_weights()
    return model.backbone.conv1.weight.double().sum().item()


def test_weights_from_an_address_come_to_all_processes(server, synthetic_data):  # noqa: F811
    """Fetched by one of them; MMEngine's launchers make no group of the processes of a machine."""
    folder, address = server
    shutil.copy(weights_of("swahr_tiny_synthetic"), folder / "weights.pth")
    sums = in_two_processes(_load_from_address, synthetic_data, address)
    weights = read_checkpoint(weights_of("swahr_tiny_synthetic"))["state_dict"]
    assert sums == [weights["backbone.conv1.weight"].double().sum().item()] * 2
