"""The three ways of use, through the real command lines, as a user runs them."""

import json
import re

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.apis import MMPoseInferencer

from swahr_mmpose.synthetic import SyntheticOptions
from swahr_mmpose.synthetic.dataset import generate_image

from . import documentation
from .helpers import CONFIGS, MIM, run_on_cpu, write_video
from .micro_training import micro_config, train

pytestmark = pytest.mark.slow

TINY = CONFIGS / "swahr_tiny_synthetic.py"


def mim(*args, cwd):
    """Run mim of this environment; its output."""
    result = run_on_cpu(MIM, *args, cwd=cwd)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def data_options(folder, parts=("train", "val", "test"), **more):
    """Options that point a config at a dataset, and others."""
    options = {"data_root": f"{folder}/"}
    for part in parts:
        options[f"{part}_dataloader.dataset.data_root"] = f"{folder}/"
    return ["--cfg-options", *(f"{key}={value}" for key, value in {**options, **more}.items())]


def losses_of(work_dir):
    """The loss of each logged iteration."""
    path = max(work_dir.glob("*/vis_data/scalars.json"), key=lambda file: file.stat().st_mtime)
    entries = map(json.loads, path.read_text().splitlines())
    return [entry["loss"] for entry in entries if "loss" in entry]


@pytest.fixture(scope="module")
def trained(synthetic_data, tmp_path_factory):
    """A work folder after four iterations of training."""
    work_dir = tmp_path_factory.mktemp("work")
    options = data_options(synthetic_data, **short_run(4))
    log = mim("train", "mmpose", TINY, "--work-dir", work_dir, *options, cwd=work_dir)
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
    options = data_options(synthetic_data, **short_run(6))
    log = mim("train", "mmpose", TINY, "--resume", "--work-dir", trained, *options, cwd=trained)
    assert re.search(r"resumed epoch: 0, iter: 4", log)
    assert (trained / "iter_6.pth").is_file()
    assert np.isfinite(losses_of(trained)).all()
    command = ["test", "mmpose", TINY, "--checkpoint", trained / "iter_6.pth"]
    log = mim(*command, "--work-dir", trained / "test", *data_options(synthetic_data), cwd=trained)
    assert "coco/AP" in log


@pytest.mark.filterwarnings("ignore")  # of what is not traced
def test_training_with_the_model_compiled(synthetic_data, tmp_path):
    """MMEngine's option; traced, and run without a compiler's code."""
    config = micro_config(synthetic_data, tmp_path, iterations=2)
    config.compile = dict(backend="eager")
    train(config)
    losses = losses_of(tmp_path)
    assert len(losses) == 2
    assert np.isfinite(losses).all()


@pytest.mark.filterwarnings("ignore:The metainfo config file")
def test_a_config_of_ones_own(synthetic_data, tmp_path):
    path = tmp_path / "my_config.py"
    path.write_text(documentation.python_block("configs.md", "mmpose::body_2d_keypoint"))
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None
    for part, name in (("train", "train"), ("test", "val")):
        loader = config[f"{part}_dataloader"]
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        data = dict(img=f"images/{name}/")
        loader.dataset.update(data_root=str(synthetic_data), data_prefix=data, indices=2)
        loader.dataset.ann_file = f"annotations/{name}.json"
    config.train_cfg.max_epochs = config.default_hooks.logger.interval = 1
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.work_dir = str(tmp_path / "work")
    Runner.from_cfg(config).train()
    assert np.isfinite(losses_of(tmp_path / "work")).all()
    config.load_from = str(tmp_path / "work" / "epoch_1.pth")
    config.experiment_name = config.visualizer.name = "test_of_my_config"
    assert 0 <= Runner.from_cfg(config).test()["coco/AP"] <= 1


def test_mmposes_own_inferencer(trained, tmp_path):
    """It takes arrays, files, folders and videos, and writes images and people."""
    folder = tmp_path / "images"
    folder.mkdir()
    images = [generate_image(SyntheticOptions(3, seed=9, long_side=256), i)[0] for i in range(3)]
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index}.png"), image)
    video = tmp_path / "video.mp4"
    write_video(video, [cv2.resize(image, (256, 192)) for image in images], "mp4v")
    inferencer = MMPoseInferencer(str(TINY), str(trained / "iter_4.pth"), device="cpu")
    out = tmp_path / "out"
    for name, given, count, images_written in (
        ("array", images[0], 1, 1),
        ("file", str(folder / "0.png"), 1, 1),
        ("folder", str(folder), 3, 3),
        ("video", str(video), 3, 1),
    ):
        assert len(list(inferencer(given, out_dir=str(out / name)))) == count
        assert len(list((out / name / "visualizations").iterdir())) == images_written
        predictions = list((out / name / "predictions").glob("*.json"))
        assert len(predictions) == images_written
        assert all(isinstance(json.loads(file.read_text()), list) for file in predictions)
