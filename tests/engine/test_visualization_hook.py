"""Images of validations and tests, and what TensorBoard gets of a training."""

import itertools
import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

from swahr_mmpose.engine import BottomupVisualizationHook

from ..helpers import evaluation_config, load_config

COUNT = itertools.count()


def visualizer_of(**arguments):
    # MMEngine keeps one for each name
    return dict(type="BottomupVisualizer", name=f"visualizer_of_hook_{next(COUNT)}", **arguments)


def test_runner(synthetic_data, tmp_path, hook, **visualizer):
    """A test of eight images."""
    config = evaluation_config(synthetic_data / "annotations" / "val.json")
    config.visualizer = visualizer_of(**visualizer)
    config.default_hooks.visualization.update(enable=True, **hook)
    config.work_dir = str(tmp_path / "work")
    config.experiment_name = f"hook_{next(COUNT)}"
    return Runner.from_cfg(config)


test_runner.__test__ = False


def image_sizes(synthetic_data):
    folder = synthetic_data / "images" / "val"
    return {path.name: cv2.imread(str(path)).shape for path in folder.iterdir()}


def test_all_images_of_a_test_are_written(synthetic_data, tmp_path):
    maps = ["tags", "scales"]
    runner = test_runner(synthetic_data, tmp_path, dict(out_dir=str(tmp_path / "drawn")), maps=maps)
    before = dict(runner.model.test_cfg)
    runner.test()
    assert runner.model.test_cfg == before
    sizes = image_sizes(synthetic_data)
    assert sorted(os.listdir(tmp_path / "drawn")) == sorted(sizes)
    for name, (height, width, _) in sizes.items():
        drawn = cv2.imread(str(tmp_path / "drawn" / name))
        assert drawn.shape == (height * (1 + len(maps)), width, 3), name


def test_one_of_several_images(synthetic_data, tmp_path):
    """The folder is in the run's."""
    hook = dict(out_dir="drawn", interval=3)
    runner = test_runner(synthetic_data, tmp_path, hook)
    runner.test()
    (folder,) = (tmp_path / "work").glob("*/drawn")
    assert len(os.listdir(folder)) == 3


def write_undrawn(samples, tmp_path):
    """What the hook writes after a test, with a visualizer that draws nothing."""
    visualizer = SimpleNamespace(draw_datasample=lambda image, sample, **_: image)
    runner = SimpleNamespace(work_dir=str(tmp_path), timestamp="now", visualizer=visualizer)
    hook = BottomupVisualizationHook(enable=True, out_dir="drawn")
    hook.after_test_iter(runner, 0, outputs=samples)


def test_images_of_one_name_are_numbered(tmp_path):
    samples = []
    for folder in "xyz":
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.jpg"), np.zeros((8, 8, 3), np.uint8))
        sample = SimpleNamespace(img_path=str(tmp_path / folder / "a.jpg"), ori_shape=(8, 8))
        samples.append(sample)
    write_undrawn(samples, tmp_path)
    assert sorted(os.listdir(tmp_path / "now/drawn")) == ["a.jpg", "a_1.jpg", "a_2.jpg"]


@pytest.mark.parametrize("shape", [(20, 30), (30, 20)])
def test_an_image_is_drawn_as_it_was_tested(tmp_path, shape):
    """As it is stored, where its annotations are, and else as its camera says."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    write_undrawn([SimpleNamespace(img_path=str(tmp_path / "a.jpg"), ori_shape=shape)], tmp_path)
    expected = pixels if shape == pixels.shape[:2] else np.rot90(pixels, -1)
    drawn = cv2.imread(str(tmp_path / "now/drawn/a.jpg")).astype(float)
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).mean() < 8  # JPEG, written twice


def test_without_a_folder_the_backends_get_images(synthetic_data, tmp_path):
    backend = dict(type="LocalVisBackend", save_dir=str(tmp_path / "vis"))
    test_runner(synthetic_data, tmp_path, {}, vis_backends=[backend]).test()
    names = os.listdir(next((tmp_path / "vis").rglob("vis_image")))
    assert len(names) == len(image_sizes(synthetic_data))
    assert all(name.startswith("test_") for name in names)


def test_another_visualizer_is_named(synthetic_data, tmp_path):
    runner = test_runner(synthetic_data, tmp_path, dict(out_dir="drawn"))
    runner.visualizer.__class__ = type(runner.visualizer).__mro__[1]
    with pytest.raises(TypeError, match="PoseLocalVisualizer"):
        runner.test()


@pytest.mark.parametrize("name", ["num_val_images", "interval"])
def test_numbers_are_checked(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        BottomupVisualizationHook(**{name: 0})


@pytest.mark.slow
def test_tensorboard_gets_losses_widths_and_the_same_images(synthetic_data, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = load_config("swahr_tiny_synthetic")
    config.data_root = str(synthetic_data)
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(synthetic_data)
    config.test_dataloader = config.test_cfg = config.test_evaluator = None
    config.train_cfg.update(max_iters=4, val_interval=2)
    config.default_hooks.logger.interval = 1
    config.default_hooks.visualization.update(enable=True, num_val_images=3, out_dir="drawn")
    config.visualizer = visualizer_of(
        vis_backends=[dict(type="TensorboardVisBackend")], maps=["heatmaps", "tags", "scales"]
    )
    config.work_dir, config.experiment_name = str(tmp_path), f"hook_{next(COUNT)}"
    runner = Runner.from_cfg(config)
    runner.train()
    runner.visualizer.close()

    (file,) = tmp_path.rglob("events.out.tfevents*")
    events = accumulator.EventAccumulator(str(file), size_guidance=dict(images=0))
    events.Reload()
    tags = events.Tags()
    parts = {"heatmap_s4", "heatmap_s2", "scale_s4", "scale_s2", "pull", "push"}
    assert {f"loss_{part}" for part in parts} | {"loss", "lr"} <= set(tags["scalars"])
    for stride in (4, 2):
        widths = [event.value for event in events.Scalars(f"mean_width_s{stride}")]
        assert len(widths) == 4
        assert widths[0] == 1  # the branches start at zero
        assert np.isfinite(widths).all()
    total = sum(events.Scalars(f"loss_{part}")[0].value for part in parts)
    assert events.Scalars("loss")[0].value == pytest.approx(total, rel=1e-3)
    assert len(tags["images"]) == 3
    for tag in tags["images"]:
        assert tag.startswith("val_")
        assert [event.step for event in events.Images(tag)] == [2, 4]
    assert len(list(tmp_path.glob("*/drawn/val_*_4.jpg"))) == 3
    content = events.Images(tags["images"][0])[0].encoded_image_string
    drawn = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape[0] % 4 == 0
