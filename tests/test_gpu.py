"""Training and testing on a GPU as a whole, as tools/research/gpu_check.sh runs and rehearses it.

Tests of single parts on a GPU are beside those of the same parts on the CPU.
"""

import contextlib
import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.dataset import pseudo_collate
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmpose.registry import DATASETS

from swahr_mmpose.engine.test_loop import decoded_beside
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

from .helpers import build_model, golden, load_config, official_weights, without_waiting
from .models.test_pose_estimator import make_images, pack

pytestmark = pytest.mark.gpu

TINY = "swahr_tiny_synthetic"


@pytest.fixture
def say(capsys):
    """Prints figures past pytest's capture."""

    def say_it(text):
        with capsys.disabled():
            print(f" {text} ", flush=True)

    return say_it


def training_of(data, device, optimizer=None):
    """The tiny config's model on the device, its optimizer, and a batch of images."""
    config = load_config(TINY)
    config.train_dataloader.dataset.data_root = str(data)
    config.optim_wrapper.optimizer.update(optimizer or {})
    dataset = DATASETS.build(config.train_dataloader.dataset)
    model = build_model(config)
    model.init_weights()
    model = model.to(device)
    batch = pseudo_collate([dataset[i] for i in range(4)])
    return model, build_optim_wrapper(model, config.optim_wrapper), batch


def a_model_that_sees_people(device):
    """The tiny model on the device, with a bias on its heatmaps, and its config."""
    config = load_config(TINY)
    model = build_model(config)
    model.init_weights()
    model.head.final_layers[1].bias.data += 0.5
    model.test_cfg = dict(flip_test=True)
    return model.eval().to(device), config


# what half precision may cost: the norm of the difference to the official numbers, as a part
@pytest.mark.parametrize(("dtype", "part"), [(torch.float16, 0.01), (torch.bfloat16, 0.06)])
@pytest.mark.parametrize(
    ("weights", "config"),
    [("coco_w32", "swahr_hrnet_w32_coco"), ("crowdpose_w48", "swahr_hrnet_w48_crowdpose")],
)
@torch.no_grad()
def test_the_network_in_half_precision_is_near_the_official_one(
    gpu, say, dtype, part, weights, config
):
    numbers = golden(f"network_{weights}")
    model = build_model(load_config(config)).eval()
    model.load_state_dict(official_weights(weights, int(numbers["salt"])))
    images = torch.from_numpy(numbers["x"]).to(gpu)
    with torch.autocast(gpu, dtype):
        output = model.to(gpu)(images, None, mode="tensor")
    for level, tags in enumerate([[output.tags], []]):
        ours = torch.cat([output.scales[level], output.heatmaps[level], *tags], dim=1)
        assert ours.dtype == dtype
        expected = numbers[f"out_{level}"]
        error = np.linalg.norm(ours.float().cpu().numpy() - expected) / np.linalg.norm(expected)
        say(f"{weights}, {dtype}, level {level}: relative error {error:.4f}")
        assert error < part


@pytest.mark.parametrize("optimizer", [{}, dict(fused=True)], ids=["Adam", "fused Adam"])
def test_a_training_step_does_not_wait_for_the_device(gpu, synthetic_data, optimizer):
    """From the batch on the device to the weights' update."""
    warm_up = training_of(synthetic_data, gpu, optimizer)
    warm_up[0].train_step(warm_up[2], warm_up[1])
    model, wrapper, batch = training_of(synthetic_data, gpu, optimizer)
    data = model.data_preprocessor(batch, True)
    before = model.backbone.conv1.weight.detach().clone()
    with without_waiting(gpu):
        losses = model(**data, mode="loss")
        total, _ = model.parse_losses(losses)
        wrapper.update_params(total)
    assert total.isfinite()
    assert not torch.equal(model.backbone.conv1.weight, before)


def test_compiled_losses_train_as_plain_ones(gpu, synthetic_data):
    losses = []
    for compile_losses in (False, True):
        torch.manual_seed(0)
        np.random.seed(0)
        model, wrapper, batch = training_of(synthetic_data, gpu)
        model.head.compile_losses = compile_losses
        losses.append([model.train_step(batch, wrapper)["loss"].item() for _ in range(3)])
    # one step of Adam makes as much of a small gradient as of a large one
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-4)
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)


@torch.no_grad()
def test_batches_decoded_beside_the_network_are_those_decoded_after_it(gpu):
    """In a second thread and stream, while the network writes the next batch's maps."""
    model, config = a_model_that_sees_people(gpu)
    batches = [
        pseudo_collate([pack(config, image) for image in make_images((100, 80), (80, 100))])
        for _ in range(6)
    ]
    for number, batch in enumerate(batches):
        batch["inputs"] = [image.roll(7 * number, dims=2) for image in batch["inputs"]]
    alone = [model.test_step(batch) for batch in batches]
    beside = decoded_beside(model, enumerate(batches))
    for number, people in beside:
        for ours, expected in zip(people.result(), alone[number]):
            assert len(ours.pred_instances) > 0
            for field in ("keypoints", "keypoint_scores", "bbox_scores"):
                np.testing.assert_array_equal(
                    ours.pred_instances[field], expected.pred_instances[field]
                )


@torch.no_grad()
def test_memory_is_flat_over_many_test_batches(gpu, say):
    model, config = a_model_that_sees_people(gpu)
    batch = pseudo_collate([pack(config, image) for image in make_images((100, 80), (80, 100))])
    count = 500 if gpu == "cuda" else 5
    held = []
    for _, people in decoded_beside(model, ((number, batch) for number in range(count))):
        assert len(people.result()[0].pred_instances) > 0
        if gpu == "cuda":
            held.append((torch.cuda.memory_allocated(), torch.cuda.memory_reserved()))
    if gpu == "cuda":
        allocated, reserved = np.array(held).T / 2**20
        say(f"MiB allocated {allocated[[10, -1]]}, reserved {reserved[[10, -1]]}")
        # the second thread may or may not have let go of the last batch's maps when it is looked at
        assert allocated[-100:].min() <= allocated[10:110].max()
        assert reserved[-1] == reserved[250]


@pytest.mark.slow
def test_the_fast_way_trains_the_tiny_network(gpu, say, tmp_path):
    """channels_last, bfloat16, fused Adam and compiled losses, for the config's own schedule."""
    train, val, iterations = (1000, 100, 720) if gpu == "cuda" else (8, 4, 4)
    for name, count, seed in (("train", train, 0), ("val", val, 1)):
        generate_dataset(tmp_path, name, SyntheticOptions(count, seed))
    config = load_config(TINY)
    config.model.head.compile_losses = True
    config.optim_wrapper.optimizer.fused = True
    workers = min(12, len(os.sched_getaffinity(0))) if gpu == "cuda" else 0
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.update(num_workers=workers, persistent_workers=workers > 0)
        loader.dataset.data_root = str(tmp_path)
    config.train_dataloader.batch_size = 16 if gpu == "cuda" else 2
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iterations)
    config.work_dir, config.experiment_name = str(tmp_path / "work"), "fast"
    precision = contextlib.nullcontext()
    if gpu == "cuda":
        config.optim_wrapper.update(type="AmpOptimWrapper", dtype="bfloat16")
    else:  # MMEngine has its wrapper for devices only
        precision = torch.autocast("cpu", torch.bfloat16, cache_enabled=False)
    runner = Runner.from_cfg(config)
    with precision:
        runner.train()
    weight = runner.model.backbone.conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.isfinite().all()
    metrics = runner.test()
    say(f"AP {metrics['coco/AP']:.3f} after {iterations} iterations on {gpu}")
    if gpu == "cuda":
        assert metrics["coco/AP"] > 0.3


def _two_steps(rank, world_size, backend, rendezvous, device, data, queue):
    """Two steps of one of several processes; what they have in common goes into the queue."""
    own = device
    if device == "cuda":
        own = f"cuda:{rank % torch.cuda.device_count()}"
        torch.cuda.set_device(own)
    dist.init_process_group(
        backend, init_method=f"file://{rendezvous}", rank=rank, world_size=world_size
    )
    os.environ["LOCAL_RANK"] = str(rank)
    torch.manual_seed(rank)  # the wrapper makes the weights the same
    np.random.seed(rank)
    model, wrapper, batch = training_of(data, own)
    parallel = MMDistributedDataParallel(model, device_ids=None if device == "cpu" else [own])
    for _ in range(2):
        losses = parallel.train_step(batch, wrapper)
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    queue.put((rank, losses["loss"].item(), weights.double().sum().item()))
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["gloo", "nccl"])
def test_several_processes_keep_the_same_weights(gpu, backend, synthetic_data, tmp_path):
    """Two on one GPU over gloo; over nccl, which refuses that, as many as there are GPUs."""
    world_size = 2
    if backend == "nccl":
        if gpu == "cpu":
            pytest.skip("nccl needs a GPU")
        world_size = min(2, torch.cuda.device_count())
    queue = mp.get_context("spawn").SimpleQueue()
    args = (world_size, backend, tmp_path / "rendezvous", gpu, str(synthetic_data), queue)
    mp.spawn(_two_steps, args=args, nprocs=world_size)
    results = sorted(queue.get() for _ in range(world_size))
    assert len({weights for _, _, weights in results}) == 1
    assert np.isfinite([loss for _, loss, _ in results]).all()
    if world_size == 2:
        assert results[0][1] != results[1][1]  # different augmentation
