"""Bad data where a user meets it: through mim's command line."""

import json

import pytest

from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

from ..helpers import MIM, ROOT, load_config, run_on_cpu
from ..micro_training import micro_config

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path):
    """A generated dataset, in a folder whose name takes some care."""
    folder = tmp_path / "Daten – 1 ü"
    for name, seed in (("train", 0), ("val", 1)):
        generate_dataset(folder, name, SyntheticOptions(num_images=4, seed=seed, long_side=128))
    return folder


def test_training_stops_or_leaves_out(data, tmp_path):
    path = data / "annotations" / "train.json"
    content = json.loads(path.read_text())
    person, other = (a for a in content["annotations"][:2])
    person["keypoints"][0] = float("nan")
    other["area"] = -3
    path.write_text(json.dumps(content))
    config = micro_config(data, tmp_path / "work", iterations=2)
    config.dump(str(tmp_path / "micro.py"))

    command = [MIM, "train", "mmpose", tmp_path / "micro.py"]
    result = run_on_cpu(*command, cwd=tmp_path)
    assert result.returncode != 0
    for text in (
        f"- annotation {person['id']}: keypoint 0 of `keypoints` is [nan, ",
        f"- annotation {other['id']}: `area` is -3. Set from `bbox`.",
        f"`swahr check '{path}' --fix fixed.json`",
    ):
        assert text in result.stdout + result.stderr

    skip = "train_dataloader.dataset.skip_broken=True"
    result = run_on_cpu(*command, "--cfg-options", skip, cwd=tmp_path)
    text = result.stdout + result.stderr
    assert result.returncode == 0, text[-3000:]
    assert f"leaves out 0 of 4 images, 2 of {len(content['annotations'])} annotations" in text
    assert (tmp_path / "work" / "iter_2.pth").is_file()


def test_test_names_an_image_that_is_cut_off(data, tmp_path):
    (image, *_) = sorted((data / "images" / "val").iterdir())
    image.write_bytes(image.read_bytes()[:-100])
    config = load_config("swahr_tiny_synthetic")
    config.test_dataloader.dataset.data_root = str(data)
    config.dump(str(tmp_path / "tiny.py"))
    weights = ROOT / "swahr_mmpose/weights/swahr_tiny_synthetic.pth"
    command = [MIM, "test", "mmpose", tmp_path / "tiny.py", "--checkpoint", weights]
    result = run_on_cpu(*command, cwd=tmp_path)
    text = result.stdout + result.stderr
    assert result.returncode != 0
    assert f"'{image}' can't be read as an image: it is cut off or damaged" in text
    assert "--images" in text
