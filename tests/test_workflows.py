"""The three ways of use, through the real command lines, as a user runs them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from swahr_mmpose.synthetic import SyntheticOptions
from swahr_mmpose.synthetic.dataset import generate_image

from .helpers import CONFIGS, ROOT

pytestmark = pytest.mark.slow

TINY = CONFIGS / "swahr_tiny_synthetic.py"


def mim(*args, cwd):
    """Run mim of this environment; its output."""
    command = [Path(sys.executable).with_name("mim"), *map(str, args)]
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="2")
    result = subprocess.run(
        command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=900
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def data_options(folder, parts=("train", "val", "test"), **more):
    """Options that point a config at a dataset, and others."""
    options = {"data_root": f"{folder}/"}
    for part in parts:
        options[f"{part}_dataloader.dataset.data_root"] = f"{folder}/"
    return ["--cfg-options", *(f"{key}={value}" for key, value in (options | more).items())]


def losses_of(work_dir):
    """The loss of each logged iteration."""
    path = max(work_dir.glob("*/vis_data/scalars.json"), key=lambda file: file.stat().st_mtime)
    entries = map(json.loads, path.read_text().splitlines())
    return [entry["loss"] for entry in entries if "loss" in entry]


@pytest.fixture(scope="module")
def trained(synthetic_data, tmp_path_factory):
    """A work folder after four iterations of training."""
    work_dir = tmp_path_factory.mktemp("work")
    log = mim(
        "train",
        "mmpose",
        TINY,
        "--work-dir",
        work_dir,
        *data_options(synthetic_data, **short_run(4)),
        cwd=work_dir,
    )
    assert "coco/AP" in log
    return work_dir


def short_run(iterations):
    return {
        "train_cfg.max_iters": iterations,
        "train_cfg.val_interval": 4,
        "default_hooks.checkpoint.interval": 2,
        "default_hooks.logger.interval": 1,
        "train_dataloader.batch_size": 2,
    }


def test_train_resume_test(trained, synthetic_data):
    assert (trained / "iter_4.pth").is_file()
    log = mim(
        "train",
        "mmpose",
        TINY,
        "--resume",
        "--work-dir",
        trained,
        *data_options(synthetic_data, **short_run(6)),
        cwd=trained,
    )
    assert re.search(r"resumed epoch: 0, iter: 4", log)
    assert (trained / "iter_6.pth").is_file()
    assert np.isfinite(losses_of(trained)).all()
    log = mim(
        "test",
        "mmpose",
        TINY,
        "--checkpoint",
        trained / "iter_6.pth",
        "--work-dir",
        trained / "test",
        *data_options(synthetic_data),
        cwd=trained,
    )
    assert "coco/AP" in log


def test_training_with_the_model_compiled(synthetic_data, tmp_path):
    """MMEngine's option; traced, and run without a compiler's code."""
    options = {**short_run(2), "compile.backend": "eager"}
    options = data_options(synthetic_data, parts=("train",), **options)
    mim("train", "mmpose", TINY, "--no-validate", *options, cwd=tmp_path)
    losses = losses_of(tmp_path / "work_dirs" / TINY.stem)
    assert len(losses) == 2
    assert np.isfinite(losses).all()


def readme_config():
    """The config on the page on configs."""
    text = (ROOT / "docs" / "configs.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    (block,) = (block for block in blocks if "mmpose::body_2d_keypoint" in block)
    return block


def test_a_config_of_ones_own(synthetic_data, tmp_path):
    config = tmp_path / "my_config.py"
    config.write_text(readme_config())
    options = {
        "train_dataloader.dataset.ann_file": "annotations/train.json",
        "train_dataloader.dataset.data_prefix.img": "images/train/",
        "test_dataloader.dataset.ann_file": "annotations/val.json",
        "test_dataloader.dataset.data_prefix.img": "images/val/",
        "train_dataloader.batch_size": 2,
        "train_cfg.max_epochs": 1,
        "model.backbone.init_cfg": "None",
        "default_hooks.logger.interval": 1,
    }
    options = data_options(synthetic_data, parts=("train", "test"), **options)
    mim("train", "mmpose", config, "--no-validate", *options, cwd=tmp_path)
    work_dir = tmp_path / "work_dirs" / "my_config"
    assert len(losses_of(work_dir)) == 4
    assert np.isfinite(losses_of(work_dir)).all()
    log = mim(
        "test", "mmpose", config, "--checkpoint", work_dir / "epoch_1.pth", *options, cwd=tmp_path
    )
    assert "coco/AP" in log


INFERENCE = """
import json, sys
import cv2
from mmpose.apis import MMPoseInferencer
config, checkpoint, folder, video, out = sys.argv[1:]
inferencer = MMPoseInferencer(pose2d=config, pose2d_weights=checkpoint, device="cpu")
image = f"{folder}/0.png"
counts = {}
for name, given in dict(
    array=cv2.imread(image), file=image, folder=folder, video=video
).items():
    results = list(inferencer(given, out_dir=f"{out}/{name}"))
    counts[name] = len(results)
print(json.dumps(counts))
"""


def test_inferencer(trained, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    images = [generate_image(SyntheticOptions(3, seed=9, long_side=256), i)[0] for i in range(3)]
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index}.png"), image)
    video = tmp_path / "video.mp4"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 5, (256, 192))
    for image in images:
        writer.write(cv2.resize(image, (256, 192)))
    writer.release()
    out = tmp_path / "out"
    result = subprocess.run(
        [sys.executable, "-c", INFERENCE, TINY, trained / "iter_4.pth", folder, video, out],
        text=True,
        capture_output=True,
        timeout=600,
        env=dict(os.environ, CUDA_VISIBLE_DEVICES=""),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    counts = json.loads(result.stdout.splitlines()[-1])
    assert counts == dict(array=1, file=1, folder=3, video=3)
    for name, images_written, files_written in (
        ("array", 1, 1),
        ("file", 1, 1),
        ("folder", 3, 3),
        ("video", 1, 1),
    ):
        assert len(list((out / name / "visualizations").iterdir())) == images_written
        predictions = list((out / name / "predictions").glob("*.json"))
        assert len(predictions) == files_written
        assert isinstance(json.loads(predictions[0].read_text()), list)
