"""Makes a resumed training draw the random numbers of an uninterrupted one."""

from __future__ import annotations

import functools
from typing import Any

from mmengine.dataset import worker_init_fn
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop
from mmpose.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Makes augmentation follow from the runner's seed, the epoch and the worker alone.

    MMEngine seeds the workers once, with the same seed after each start: a resumed training would
    draw what its first epochs drew. Loops that count iterations need no help: they read again all
    that came before. Persistent workers can't be seeded anew.
    """

    def before_train(self, runner: Any) -> None:
        """Say so where workers are persistent."""
        if runner.train_dataloader.persistent_workers and _counts_epochs(runner):
            runner.logger.warning(
                "`train_dataloader.persistent_workers=True`: after `--resume` augmentation draws "
                "the random numbers of the first epochs again. Set it to False."
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Seed the workers that are about to start, or this process if it loads the data itself."""
        if not _counts_epochs(runner):
            return
        loader = runner.train_dataloader
        workers = max(1, loader.num_workers)
        seeding = functools.partial(
            worker_init_fn,
            num_workers=workers,
            rank=get_rank(),
            # no worker of any rank and epoch has the seed of another
            seed=(runner.seed + runner.epoch * workers * get_world_size()) % 2**31,
            disable_subprocess_warning=True,
        )
        if loader.num_workers:
            loader.worker_init_fn = seeding
        else:
            seeding(0)


def _counts_epochs(runner: Any) -> bool:
    return isinstance(runner.train_loop, EpochBasedTrainLoop)
