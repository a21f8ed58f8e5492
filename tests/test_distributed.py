"""Two processes train one model; on the CPU, since MMEngine's launcher needs GPUs."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.dataset import pseudo_collate
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmpose.registry import DATASETS

from .helpers import build_model, load_config

pytestmark = pytest.mark.slow


def _train(rank, folder, weight_branch, queue):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    torch.set_num_threads(1)
    torch.manual_seed(rank)  # the wrapper makes the weights the same
    config = load_config("swahr_tiny_synthetic")
    config.model.head.weight_branch = weight_branch
    dataset_config = config.train_dataloader.dataset
    dataset_config.data_root = folder
    dataset = DATASETS.build(dataset_config)
    model = MMDistributedDataParallel(build_model(config))
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    for step in range(2):
        batch = pseudo_collate([dataset[4 * step + 2 * rank + i] for i in range(2)])
        losses = model.train_step(batch, optimizer)
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    queue.put((rank, losses["loss"].item(), weights.double().sum().item()))
    dist.destroy_process_group()


@pytest.mark.parametrize("weight_branch", ["analytic", "learned"])
def test_two_processes_keep_the_same_weights(synthetic_data, weight_branch):
    """Every parameter takes part in each step, or the wrapper would stop."""
    (synthetic_data / "rendezvous").unlink(missing_ok=True)
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    mp.spawn(_train, args=(str(synthetic_data), weight_branch, queue), nprocs=2)
    results = sorted(queue.get() for _ in range(2))
    assert [rank for rank, _, _ in results] == [0, 1]
    assert results[0][1] != results[1][1]  # different pictures
    assert results[0][2] == results[1][2]  # the same weights
