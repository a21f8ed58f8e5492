"""Images of what a network is trained on, through the command line."""

from pathlib import Path

import cv2
import mmpose
import numpy as np
import pytest
from browse_dataset import main

from .. import documentation
from ..helpers import CONFIGS, load_config

TINY = "swahr_tiny_synthetic"


def browse(folder, out, *more, config="swahr_tiny_synthetic", num=1):
    """Exit code; what follows may be options of the config, and then those of the tool."""
    data = f"train_dataloader.dataset.data_root={folder}/"
    return main([config, "--out", str(out), "--num", str(num), "--cfg-options", data, *more])


def test_images_are_written_and_the_seed_decides(synthetic_data, tmp_path, capsys):
    config = str(CONFIGS / "swahr_tiny_synthetic.py")
    images = {}
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        out = tmp_path / name
        assert browse(synthetic_data, out, "--seed", str(seed), config=config, num=2) == 0
        said = capsys.readouterr()
        assert f"Wrote 2 images into {out}" in said.out
        assert "image/s" not in said.err  # no bar where no one looks
        images[name] = [(path.name, path.read_bytes()) for path in sorted(out.iterdir())]
        assert len(images[name]) == 2
    assert images["one"] == images["again"] != images["other"]
    # the input of 192 pixels is enlarged, four times
    drawn = cv2.imdecode(np.frombuffer(images["one"][0][1], np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape[1] > 4 * 192


def test_targets_of_the_pipeline_and_of_the_head_are_the_same(synthetic_data, tmp_path):
    images = []
    for encode in ("True", "False"):
        more = f"train_dataloader.dataset.pipeline.3.encoder.encode_heatmaps={encode}"
        out = tmp_path / encode
        assert browse(synthetic_data, out, more) == 0
        images.append([path.read_bytes() for path in out.iterdir()])
    assert images[0] == images[1]


def test_all_images_are_drawn_where_there_are_no_more(synthetic_data, tmp_path):
    assert browse(synthetic_data, tmp_path, num=99) == 0
    assert len(list(tmp_path.iterdir())) == 8


def test_a_config_of_another_size(synthetic_data, tmp_path):
    annotations = "train_dataloader.dataset.ann_file=annotations/train.json"
    images = "train_dataloader.dataset.data_prefix.img=images/train/"
    config = "swahr_hrnet_w48_coco"
    assert browse(synthetic_data, tmp_path, annotations, images, config=config) == 0
    (path,) = tmp_path.iterdir()
    assert cv2.imread(str(path)).shape[1] == 2 * (640 + 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["swahr_tiny_syntetic"], "Did you mean 'swahr_tiny_synthetic'"),
        ([TINY, "--cfg-options", "train_dataloader.dataset.data_root=/nowhere/"], "/nowhere"),
        ([TINY, "--cfg-options", "train_dataloader=None"], "no `train_dataloader`"),
        (["PackPoseInputs"], "GenerateTarget"),
        (["NoTransform"], "NoTransform is not in"),
    ],
)
def test_what_is_wrong_is_named(synthetic_data, tmp_path, capsys, arguments, message):
    """Names of transforms stand for configs whose pipelines end with them."""
    if arguments[0][0].isupper():
        config = load_config("swahr_tiny_synthetic")
        pipeline = [dict(type="LoadImage"), dict(type=arguments[0])]
        config.train_dataloader.dataset.update(data_root=f"{synthetic_data}/", pipeline=pipeline)
        config.dump(tmp_path / "config.py")
        arguments = [str(tmp_path / "config.py")]
    assert main(["--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_mmposes_own_tool_draws_our_pipeline(synthetic_data, tmp_path):
    tool = Path(mmpose.__file__).parent / ".mim/tools/misc/browse_dataset.py"
    data = f"train_dataloader.dataset.data_root={synthetic_data}/"
    options = ["--output-dir", str(tmp_path), "--not-show", "--cfg-options", data]
    documentation.run_program(tool, [str(CONFIGS / f"{TINY}.py"), *options])
    assert len(list(tmp_path.iterdir())) == 8


def test_images_that_can_not_be_written_are_named(synthetic_data, tmp_path, capsys):
    """OpenCV says so, and raises nothing: here folders are in the places of the files."""
    assert browse(synthetic_data, tmp_path) == 0
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()
    capsys.readouterr()
    assert browse(synthetic_data, tmp_path) == 3
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith(f"error: '{path}' can't be written")
    assert "Wrote" not in captured.out
