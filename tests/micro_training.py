"""The tiny config made so small that an iteration takes tens of milliseconds."""

import itertools
import json
from unittest import mock

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from .helpers import load_config

#: Of the input, in pixels; both sides.
SIZE = 64

#: MMEngine wants names of their own for the runners of a process, and for their logs.
_numbers = itertools.count()


@HOOKS.register_module()
class PoisonHook(Hook):
    """Adds a loss that is not finite, from which no gradient comes, on one rank."""

    def __init__(self, iteration, value, rank=0):
        self.iteration, self.value, self.rank = iteration, value, rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if (runner.iter, runner.rank) == (self.iteration, self.rank):
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            loss = model.head.loss
            model.head.loss = lambda *args, **kwargs: dict(
                loss(*args, **kwargs), loss_poison=torch.tensor(self.value)
            )


def micro_config(data, work_dir, iterations=4):
    """For training on ``data``, a generated dataset's folder, two images at a time."""
    config = load_config("swahr_tiny_synthetic")
    for number in range(1, 5):
        channels = (8,) * number
        config.model.backbone.extra[f"stage{number}"].update(
            num_blocks=(1,) * number, num_channels=channels
        )
    config.model.head.in_channels = 8
    loader = config.train_dataloader
    loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    loader.dataset.data_root = str(data)
    pipeline = loader.dataset.pipeline
    pipeline[1].input_size = (SIZE, SIZE)
    codec = dict(input_size=(SIZE, SIZE), heatmap_sizes=[(SIZE // 4,) * 2, (SIZE // 2,) * 2])
    pipeline[3].encoder.update(codec)
    # what was merged into the loaders, and would be written into each checkpoint once more
    for name in ("train_pipeline", "val_pipeline", "codec"):
        config.pop(name)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.test_dataloader = config.test_cfg = config.test_evaluator = None
    config.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iterations)
    config.default_hooks.checkpoint.interval = config.default_hooks.logger.interval = 1
    config.log_processor.window_size = 1
    config.work_dir = str(work_dir)
    config.experiment_name = config.visualizer.name = f"micro_{next(_numbers)}"
    return config


def without_chance(config):
    """The config with each image as it is: nothing is random but its order."""
    affine, flip = config.train_dataloader.dataset.pipeline[1:3]
    affine.update(rotation=0, scale=(1.0, 1.0), translation=0.0)
    flip.update(prob=0.0)
    return config


def train(config):
    """Train with MMEngine's runner, which is returned."""
    torch.set_num_threads(1)
    # every checkpoint holds the config, and laying its text out takes longer than an iteration
    with mock.patch("mmengine.config.config.FormatCode", lambda text, **_: (text, True)):
        runner = Runner.from_cfg(config)
        runner.train()
    return runner


def logged_losses(work_dir):
    """What was logged of each iteration, over all parts of a training: step → set of losses."""
    losses = {}
    for log in work_dir.glob("*/vis_data/scalars.json"):
        # a killed process may leave a line that has no end
        for line in log.read_text().rpartition("\n")[0].splitlines():
            entry = json.loads(line)
            losses.setdefault(entry["step"], set()).add(entry["loss"])
    return losses
