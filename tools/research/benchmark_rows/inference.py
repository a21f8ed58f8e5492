"""Rows of `tools/benchmark.py` about a test: images in files to figures."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mmpose
from mmengine.config import Config
from mmengine.runner import Runner

import swahr_mmpose
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

from .maps import sees_people
from .row import Row

STOCK = "body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py"


def inference_rows(device: str) -> Iterator[Row]:
    """Images end to end with flip test: read, seen by the network, decoded."""
    gpu = device != "cpu"
    count = 32 if gpu else 3
    widths = ((32, 512), (48, 640)) if gpu else ((32, 512),)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate_dataset(folder, "val", SyntheticOptions(count, long_side=640))
        for width, size in widths:
            ours = Config.fromfile(swahr_mmpose.config_path(f"swahr_hrnet_w{width}_coco"))
            steps = [
                test_loop(config, loop, folder, device, size)
                for config, loop in (
                    (ours, "BottomupTestLoop"),
                    (stock_config(width, size), "TestLoop"),
                )
            ]
            what = f"inference W{width}, {size}, flip, per image with 10 people"
            other = f"stock AE HRNet-W{width}, one resolution"
            yield Row(what, *steps, other, count=count, rate=True)


def stock_config(width: int, size: int) -> Config:
    """MMPose's config of associative embedding, made as wide and for as large images."""
    config = Config.fromfile(Path(mmpose.__file__).parent / ".mim/configs" / STOCK)
    for number in (2, 3, 4):
        channels = tuple(width * 2**branch for branch in range(number))
        config.model.backbone.extra[f"stage{number}"].num_channels = channels
    config.model.head.in_channels = width
    config.model.head.decoder.update(input_size=(size, size), heatmap_size=(size, size))
    config.test_dataloader.dataset.pipeline[1].input_size = (size, size)
    return config


def test_loop(config: Config, loop: str, folder: Path, device: str, size: int) -> Callable[[], Any]:
    """A function that tests a network of random weights on the folder's images.

    Each image is decoded as if the network had seen ten people in it.
    """
    config.model.backbone.init_cfg = None
    for part in ("dataloader", "cfg", "evaluator"):
        for name in ("train", "val"):
            config[f"{name}_{part}"] = None
    config.optim_wrapper = config.param_scheduler = config.auto_scale_lr = None
    workers = 2 if device == "cpu" else 6
    config.test_dataloader.update(batch_size=1, num_workers=workers, persistent_workers=True)
    config.test_dataloader.dataset.update(
        data_root=str(folder), ann_file="annotations/val.json", data_prefix=dict(img="images/val/")
    )
    config.test_evaluator = dict(type="BottomupCocoMetric")
    config.custom_imports = dict(imports=["swahr_mmpose"], allow_failed_imports=False)
    config.update(test_cfg=dict(type=loop), work_dir=str(folder / loop), log_level="ERROR")
    config.experiment_name = f"{loop}_{size}"  # MMEngine wants one of its own for each
    config.default_hooks.logger = None  # it wants a run begun by the runner
    runner = Runner.from_cfg(config)
    runner.model.to(device)
    sees_people(runner.model, 10, device, size)
    return lambda: quietly(runner.test_loop.run)


def quietly(run: Callable[[], Any]) -> Any:
    """Run, less what COCO's tools print."""
    with contextlib.redirect_stdout(io.StringIO()):
        return run()
