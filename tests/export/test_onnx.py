"""Export to ONNX, and people by ONNX Runtime: the same as with PyTorch."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmpose.apis import inference_bottomup, init_model

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.checkpoints.reading import read_checkpoint
from swahr_mmpose.decoding import NotFiniteError
from swahr_mmpose.runtime import OnnxPoseEstimator
from swahr_mmpose.runtime.onnx_settings import OnnxSettings
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset
from swahr_mmpose.synthetic.dataset import generate_image

from ..apis.test_inferencer import TINY, make_image
from ..helpers import (
    CONFIGS,
    ROOT,
    figures_of,
    metric_for,
    official_weights,
    save,
    tiny_paddle_file,
)

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

export = runpy.run_path(str(ROOT / "tools" / "export_onnx.py"))["main"]


ERROR_BARS = dict(factors=[0.1] * 17, exponents=[0.5] * 17, radii=[1.18, 2, 4], flip_test=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Weights with error bars."""
    content = read_checkpoint(weights_of("swahr_tiny_synthetic"))
    content["meta"]["dataset_meta"]["error_bars"] = ERROR_BARS
    return str(save(content, tmp_path_factory.mktemp("weights") / "calibrated.pth"))


@pytest.fixture(scope="module")
def people_images():
    sizes = (150, 200, 320, 450)
    options = [SyntheticOptions(num_images=1, seed=3, long_side=size) for size in sizes]
    return [generate_image(own, index)[0] for own in options for index in range(3)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """From a file of PaddlePaddle, which holds the same numbers as `checkpoint`."""
    path = tmp_path_factory.mktemp("onnx") / "any.onnx"
    weights = tiny_paddle_file(path.with_suffix(".pdparams"))
    assert export(["swahr_tiny_synthetic", str(weights), str(path), "--widths"]) == 0
    return path


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """A network without mirrored pass, for one size, with the weights known for the config."""
    path = tmp_path_factory.mktemp("onnx") / "fixed.onnx"
    options = ["--no-flip", "--size", "192", "128"]
    assert export(["swahr_tiny_synthetic", str(path), *options]) == 0
    return path


@pytest.mark.slow
def test_a_network_with_nan_in_its_weights_is_an_error(exported, tmp_path):
    network = onnx.load(exported)
    weights = [own for own in network.graph.initializer if len(own.dims) == 4][-1]
    broken = onnx.numpy_helper.to_array(weights).copy()
    broken.flat[0] = np.nan
    weights.CopyFrom(onnx.numpy_helper.from_array(broken, weights.name))
    onnx.save(network, tmp_path / "broken.onnx")
    with pytest.raises(NotFiniteError, match="hold NaN or infinity"):
        OnnxPoseEstimator(tmp_path / "broken.onnx")(np.zeros((96, 128, 3), np.uint8))


def same_keypoints(people, expected):
    """Which keypoints of each person are where PyTorch finds them in the most similar one, (P, K).

    To 1e-2 px. Not all are: tag distances are rounded, so that the last bit of a tag can send a
    candidate to another person, or a keypoint that is filled in to another place. Which bit that
    is depends on the processor.
    """
    ours, theirs = people["keypoints"], expected["keypoints"]
    near = np.isclose(ours[:, None], theirs, atol=1e-2, rtol=0).all(axis=-1)
    return near[np.arange(len(ours)), near.sum(axis=2).argmax(axis=1)]


@pytest.mark.slow
def test_people_are_those_of_pytorch(exported, checkpoint, people_images):
    estimator = OnnxPoseEstimator(exported, as_config=True)
    # PaddlePaddle's file has none
    estimator.settings = dataclasses.replace(estimator.settings, error_bars=ERROR_BARS)
    model = init_model(str(TINY), checkpoint, device="cpu")
    model.test_cfg["output_scales"] = True
    same, scores = [], []
    for image in people_images:
        people, expected = estimator(image), inference_bottomup(model, image)[0].pred_instances
        same += same_keypoints(people, expected).flatten().tolist()
        if len(people["keypoints"]) == len(expected.keypoints):
            near = np.isclose(people["keypoints"], expected.keypoints, atol=1e-2, rtol=0).all(-1)
            whole = near.all(axis=1)
            np.testing.assert_allclose(people["bboxes"][whole], expected.bboxes[whole], atol=1e-2)
            found = people["keypoints_found"]
            np.testing.assert_array_equal(found[near], expected.keypoints_found[near])
            for name in ("keypoint_scores", "keypoint_widths", "keypoint_sigmas"):
                np.testing.assert_allclose(people[name][near], expected[name][near], atol=1e-3)
            scores += np.isclose(people["bbox_scores"], expected.bbox_scores, atol=1e-5).tolist()
    assert len(same) > 17 * len(people_images)
    assert np.mean(same) > 0.99
    assert np.mean(scores) > 0.98


@pytest.mark.slow
def test_examples_of_the_page_on_deployment_agree_with_the_inferencer(
    exported, people_images, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(exported, "tiny.onnx")
    Path("images").mkdir()
    inferencer = BottomupInferencer("swahr_tiny_synthetic", device="cpu")
    expected, names = {}, {}
    for index, image in enumerate(people_images):
        cv2.imwrite("image.jpg", image)
        shutil.copy("image.jpg", f"images/{index}.jpg")
        (result,) = inferencer("image.jpg")
        expected[index] = np.array([own["keypoints"] for own in result["predictions"][0]])
        exec(block_of("deployment.md", 'image = cv2.imread("image.jpg")'), names)
        exec(block_of("deployment.md", "draw_people"), names)
        assert_same_people(names["people"]["keypoints"], expected[index])
        drawn = cv2.imread("people.png")
        assert drawn.shape == image.shape
        assert (drawn < 255).any() == bool(len(expected[index]))
    exec(block_of("deployment.md", "predict_files"), names)
    lines = [json.loads(line) for line in Path("results.jsonl").read_text().splitlines()]
    assert len(lines) == len(expected)
    for line in lines:
        found = np.array([own["keypoints"] for own in line["people"]])
        assert_same_people(found, expected[int(Path(line["file"]).stem)])
    assert sum(map(len, expected.values())) > 10


def assert_same_people(found, expected):
    assert len(found) == len(expected)
    if len(expected):
        same = same_keypoints(dict(keypoints=found), dict(keypoints=expected))
        assert np.mean(same) > 0.95


@pytest.mark.slow
def test_the_file_says_all_that_is_needed(exported, fixed):
    settings = OnnxPoseEstimator(exported).settings
    assert settings.keypoints[:2] == ["nose", "left_eye"]
    assert [1, 2] in settings.flip_pairs
    assert settings.mean == pytest.approx([123.675, 116.28, 103.53])
    assert (settings.flip_test, settings.output_scales, settings.half) == (True, True, False)
    assert settings.opset == onnx.load(str(exported)).opset_import[0].version
    assert settings.exporter.startswith(("torch.export, torch", "TorchScript, torch"))
    assert settings.fixed_size is None
    other = OnnxPoseEstimator(fixed).settings
    assert (other.flip_test, other.fixed_size, other.output_scales) == (False, [192, 128], False)


@pytest.mark.slow
def test_a_fixed_size_shows_the_whole_image(fixed, people_images):
    """In the middle: the widest of the images fills it from side to side."""
    for image in people_images:
        people = OnnxPoseEstimator(fixed)(image)
        height, width = image.shape[:2]
        half = np.array([192, 128]) * max(width / 192, height / 128) / 2
        middle = np.array([width, height]) / 2
        assert (np.abs(people["keypoints"] - middle) <= half).all()
    (shape,) = (i.shape for i in onnx_session(fixed).get_inputs())
    assert shape == [1, 3, 128, 192]


def onnx_session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.slow
def test_batches_are_taken(exported):
    images = np.random.default_rng(0).normal(size=(3, 3, 64, 128)).astype(np.float32)
    session = onnx_session(exported)
    together = session.run(None, {"images": images})
    for i in range(3):
        for alone, all_of_them in zip(session.run(None, {"images": images[i : i + 1]}), together):
            np.testing.assert_allclose(alone[0], all_of_them[i], atol=1e-5)


@pytest.mark.slow
def test_half_precision_is_near(checkpoint, exported, tmp_path, capsys):
    path = tmp_path / "half.onnx"
    options = ["--fp16", "--size", "192", "128"]
    assert export(["swahr_tiny_synthetic", checkpoint, str(path), *options]) == 0
    said = capsys.readouterr().out
    steps = ("Exporting", "Comparing with PyTorch", "Wrote ", "heatmaps ")
    assert sorted(steps, key=said.index) == list(steps)
    assert path.stat().st_size < 0.65 * exported.stat().st_size
    assert OnnxPoseEstimator(path).settings.error_bars == ERROR_BARS
    images = np.random.default_rng(0).normal(size=(1, 3, 128, 192)).astype(np.float32)
    half, single = (onnx_session(p).run(None, {"images": images}) for p in (path, exported))
    for ours, expected in zip(half, single):
        # ten bits of fraction through some thirty layers
        np.testing.assert_allclose(ours, expected, atol=0.05 * max(1, np.abs(expected).max()))


def with_resize(options):
    """The tiny config with other options for its resizing of test images."""
    return (
        f"_base_ = [{str(TINY)!r}]\n"
        "val_pipeline = _base_.val_pipeline\n"
        f"val_pipeline[1].update({options})\n"
        "test_dataloader = dict(dataset=dict(pipeline=val_pipeline))\n"
    )


MEMORY = """
import sys, numpy as np
from swahr_mmpose.runtime import OnnxPoseEstimator
def memory():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
estimator = OnnxPoseEstimator(sys.argv[1], num_threads=1)
image = np.load(sys.argv[2])
rng = np.random.default_rng(0)
for i in range(2000):
    h, w = rng.integers(40, image.shape[:2])
    estimator(image[:h, :w])
    if i == 500:
        start = memory()
print(memory() - start)
"""


@pytest.mark.slow
def test_memory_stays_flat_over_images_of_changing_size(checkpoint, people_images, tmp_path):
    """Small inputs, so that it does not take long."""
    config = tmp_path / "small.py"
    config.write_text(with_resize("input_size=64"))
    assert export([str(config), checkpoint, str(tmp_path / "small.onnx"), "--no-flip"]) == 0
    np.save(tmp_path / "image.npy", people_images[-1])
    command = [sys.executable, "-c", MEMORY, tmp_path / "small.onnx", tmp_path / "image.npy"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[-1]) < 50  # MiB, in 1,500 images


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda head: head.final_layers[1].bias.add_(0.01), [], "differs from PyTorch's by"),
        # the last of the maps, which a maximum of Python's may pass over
        (
            lambda head: head.scale_layers[-1][-1].weight.mul_(np.nan),
            ["--fp16", "--widths"],
            "PyTorch's by nan",
        ),
    ],
)
def test_a_wrong_export_leaves_no_file(
    checkpoint, tmp_path, monkeypatch, capsys, change, options, message
):
    """Something goes wrong between PyTorch and the file: here the weights change."""
    module = sys.modules["swahr_mmpose.export.onnx"]
    write = module._write

    def spoilt(network, *args):
        with torch.no_grad():
            change(network.model.head)
        return write(network, *args)

    monkeypatch.setattr(module, "_write", spoilt)
    path = tmp_path / "wrong.onnx"
    options = ["--no-flip", "--size", "64", "64", *options]
    assert export(["swahr_tiny_synthetic", checkpoint, str(path), *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder(checkpoint, tmp_path, monkeypatch):
    """The current one: with configs, weights with NaN, and a file that is none of weights."""
    monkeypatch.chdir(tmp_path)
    files = {
        "head.py": "model = dict(head=1)",
        "broken.py": "model = dict(",
        "unset.py": f"_base_ = [{str(TINY)!r}]\ntest_dataloader = None",
        "scales.py": with_resize("scales=(1, 0.5)"),
        "text.pth": "text",
    }
    for name, text in files.items():
        Path(name).write_text(text)
    Path("folder").mkdir()
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    content["state_dict"]["backbone.conv1.weight"][0] = float("nan")
    torch.save(content, "nan.pth")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("swahr_tinny out.onnx", "no config 'swahr_tinny'"),
        ("swahr_tinny text.pth out.onnx", "no config 'swahr_tinny'"),
        ("head.py text.pth out.onnx", "The config 'head.py' has no `model.backbone`"),
        ("broken.py text.pth out.onnx", "The config 'broken.py' can't be read. SyntaxError"),
        ("unset.py text.pth out.onnx", "The config 'unset.py' has no `test_dataloader`"),
        ("scales.py TINY out.onnx", "The config tests at the scales (1, 0.5)"),
        ("swahr_hrnet_w48_coco out.onnx", "There are no weights for 'swahr_hrnet_w48_coco'"),
        # options may stand anywhere
        ("swahr_tiny_synthetic missing.pth --no-flip out.onnx", "no file 'missing.pth'"),
        ("swahr_hrnet_w32_coco TINY out.onnx", "The checkpoint is of another model"),
        ("swahr_tiny_synthetic nan.pth out.onnx", "in 1 tensors, first backbone.conv1.weight"),
        ("swahr_tiny_synthetic out.onnx --size 100 64", "`fixed_size` in multiples of 64"),
        ("swahr_tiny_synthetic out.onnx --size 8192 64", "must be from 1 to 4096 pixels, not"),
        # what is wrong with the file to write is found before the weights are read
        ("swahr_tiny_synthetic text.pth", "'text.pth' does not end in .onnx"),
        ("swahr_tiny_synthetic text.pth folder", "'folder' is a folder"),
        ("swahr_tiny_synthetic text.pth text.pth", "'text.pth' is read, and would be replaced"),
        ("swahr_tiny_synthetic text.pth missing/out.onnx", "The folder '"),
    ],
)
def test_what_can_not_be_exported_is_named(command, message, checkpoint, folder, capsys):
    assert export([checkpoint if own == "TINY" else own for own in command.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert Path("text.pth").read_text() == "text"
    assert not Path("out.onnx").exists()


SETTINGS = OnnxSettings(
    keypoints=["nose", "left_eye", "right_eye"], skeleton=[[0, 1]], flip_pairs=[[1, 2]],
    mean=[0.0] * 3, std=[1.0] * 3, input_size=64, fixed_size=None, heatmap_sigma=2.0,
    decode=dict(keypoint_sigmas=[0.1] * 3), flip_test=False, output_scales=False, half=False,
    opset=9, exporter="test",
)  # fmt: skip
METADATA = SETTINGS.to_metadata()


@pytest.fixture
def small_network(tmp_path):
    """Writes an ONNX file, with metadata, whose maps are the image, or one operator makes them."""

    def write(metadata=METADATA, outputs=("heatmaps", "tags"), kind=1, **operators):
        value, *outs = (
            onnx.helper.make_tensor_value_info(name, number, [None] * 4)
            for name, number in (("images", 1), *((name, kind) for name in outputs))
        )
        nodes = []
        for name in outputs:
            operator, options = operators.get(name, ("Identity", {}))
            nodes.append(onnx.helper.make_node(operator, ["images"], [name], **options))
        graph = onnx.helper.make_graph(nodes, "small", [value], outs)
        opset = [onnx.helper.make_opsetid("", 9)]
        model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
        onnx.helper.set_model_props(model, metadata)
        onnx.save(model, str(tmp_path / "a.onnx"))
        return tmp_path / "a.onnx"

    return write


def test_one_that_is_right_finds_people(small_network):
    image = np.zeros((64, 64, 3), np.uint8)
    image[9:12, 9:12] = 1
    assert len(OnnxPoseEstimator(small_network())(image)["keypoints"]) == 1


SIZES = "multiples of 64, must be from 1 to 4096 pixels, not "


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "KeyError: 'swahr_mmpose'"),
        ({"swahr_mmpose": "{"}, "JSONDecodeError: "),
        ({"swahr_mmpose": "[" * 100_000 + "]" * 100_000}, "RecursionError: "),
        ({"swahr_mmpose": "null"}, "TypeError: .* mapping, not NoneType"),
        ({"swahr_mmpose": json.dumps({"mean": [0]})}, "TypeError: .* missing .* 'keypoints'"),
        (dict(keypoints=[], skeleton=[], flip_pairs=[]), r"`keypoints` is out of its range: \[\]"),
        (dict(skeleton=[[0, 3]]), r"`skeleton` is out of its range: \[\[0, 3\]\]"),
        (
            dict(error_bars=dict(factors=[1], exponents=[1], radii=[1, 2, 3], flip_test=False)),
            "`error_bars` is out of its range",
        ),
        (dict(flip_pairs=[[0]]), "ValueError: not enough values"),
        (dict(decode=dict(score="mean")), "TypeError: .* unexpected keyword argument 'score'"),
        (dict(decode=dict(topk=0)), "ValueError: `topk` must be at least 1"),
        (dict(decode=dict(nms_kernel=10**9 + 1)), "`nms_kernel` must be odd .* below 100"),
        (dict(mean=[0.0, 0.0]), "`mean` is out of its range"),
        (dict(mean=[1e300, 0.0, 0.0]), "`mean` is out of its range"),
        (dict(mean=["a", "b", "c"]), "TypeError: "),
        (dict(std=[1.0, 0.0, 1.0]), "`std` is out of its range"),
        (dict(std=[1e-300] * 3), "`std` is out of its range"),
        (dict(heatmap_sigma=1e308), "`heatmap_sigma` is out of its range"),
        (dict(heatmap_sigma=float("nan")), "`heatmap_sigma` is out of its range"),
        (dict(input_size=-64), SIZES + r"\(-64, "),
        (dict(input_size="512"), SIZES + r"\('512', "),
        (dict(input_size=2**20), SIZES + r"\(1048576, "),
        (dict(fixed_size=[64]), "ValueError: not enough values"),
        (dict(fixed_size=[100, 100]), SIZES + r"\(64, 100, 100\)"),
        (dict(fixed_size=[32704, 32704]), SIZES + r"\(64, 32704, 32704\)"),
    ],
)
def test_networks_of_others_are_named(small_network, metadata, message):
    if metadata and "swahr_mmpose" not in metadata:
        metadata = {"swahr_mmpose": json.dumps({**dataclasses.asdict(SETTINGS), **metadata})}
    with pytest.raises(ValueError, match=f"this version of `swahr export`: .*{message}"):
        OnnxPoseEstimator(small_network(metadata))


NONE = ("Slice", dict(axes=[0], starts=[0], ends=[0]))
HALF = ("AveragePool", dict(kernel_shape=[2, 2], strides=[2, 2]))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (dict(outputs=["heatmaps"]), "tags"),
        (dict(heatmaps=HALF), r"heatmaps are float32 of shape \(1, 3, 32, 64\), and not float32"),
        (dict(tags=HALF), r"tags are float32 of shape \(1, 3, 32, 64\)"),
        (dict(heatmaps=NONE), r"of shape \(0, 3, 64, 128\), and not float32 of shape \(1, 3, "),
        (dict(kind=7, heatmaps=("Cast", dict(to=7)), tags=("Cast", dict(to=7))), "are int64 of"),
        (dict(tags=("ReduceMax", dict(axes=[1]))), r"tags are float32 of shape \(1, 1, 64, 128\)"),
        (dict(metadata=dataclasses.replace(SETTINGS, output_scales=True).to_metadata()), "scales"),
    ],
)
def test_a_network_of_other_maps_is_named(small_network, network, message):
    with pytest.raises(ValueError, match=f"a.onnx' can't be run: .*{message}"):
        OnnxPoseEstimator(small_network(**network))


def test_no_infinite_scores_leave_the_estimator(small_network):
    """Each map is finite; the sum over keypoints is not."""
    estimator = OnnxPoseEstimator(small_network(heatmaps=("Exp", {})))
    message = "heatmaps hold .* numbers too large to add up"
    with np.errstate(over="ignore"), pytest.raises(NotFiniteError, match=message):
        estimator(np.full((64, 64, 3), 88, np.uint8))


WHOLE_NUMBER = "`num_threads` must be a whole number above 0"


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("missing.onnx", {}, FileNotFoundError, "There is no file"),
        ("text.pth", {}, ValueError, "can't be read as an ONNX network"),
        ("a.onnx", dict(num_threads="2"), ValueError, WHOLE_NUMBER),
        ("a.onnx", dict(num_threads=1.5), ValueError, WHOLE_NUMBER),
        ("a.onnx", dict(num_threads=0), ValueError, WHOLE_NUMBER),
        ("a.onnx", dict(num_threads=-1), ValueError, WHOLE_NUMBER),
        ("a.onnx", dict(decode=dict(grouping="greedy")), ValueError, "`grouping` must be one of"),
        ("a.onnx", dict(decode=dict(keypoint_order=[0])), ValueError, "each of the 3 keypoints"),
        ("a.onnx", dict(decode=dict(keypoint_sigmas=[1])), ValueError, "but 1 were given"),
        *(
            ("text.pth", dict(providers=providers), ValueError, message)
            for providers, message in (
                (["NoSuchProvider"], "no provider 'NoSuchProvider'"),
                ([("NoSuchProvider", {"device_id": 1})], "no provider 'NoSuchP"),
                ("CPUExecutionProvider", "`providers` is a list of names"),
                ([None], "no provider None"),
                ([("CPUExecutionProvider",)], "tuples of a name and a dict"),
                ([["CPUExecutionProvider", {}]], "tuples of a name and a dict"),
            )
        ),
    ],
)
def test_what_no_estimator_can_be_made_of_is_named(
    small_network, tmp_path, name, options, error, message
):
    small_network()
    (tmp_path / "text.pth").write_text("text")
    with pytest.raises(error, match=message):
        OnnxPoseEstimator(tmp_path / name, **options)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "but got NoneType"),
        (np.zeros((8, 8, 3)), "but got float64"),
        (np.zeros((8, 8, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((2, 100, 3), np.uint8), "factor of more than 32"),
        (np.broadcast_to(np.uint8(0), (33000, 1100, 3)), "affine maps take 32766 at most"),
    ],
)
def test_what_is_no_image_is_named(small_network, image, message):
    with pytest.raises(ValueError, match=message):
        OnnxPoseEstimator(small_network())(image)


@pytest.mark.slow
def test_grey_and_transparent_images(exported):
    estimator = OnnxPoseEstimator(exported)
    grey = make_image(64, 64, 1)
    three = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    four = cv2.cvtColor(three, cv2.COLOR_BGR2BGRA)
    expected = estimator(three)
    for image in (grey, grey[..., None], four):
        np.testing.assert_array_equal(estimator(image)["keypoints"], expected["keypoints"])


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "num_images"), [("swahr_tiny_synthetic", 60), ("swahr_hrnet_w32_coco", 2)]
)
def test_people_in_real_images_are_those_of_pytorch(name, num_images, real_data, tmp_path):
    """The W32 network has random weights of the official layout, and is slow."""
    weights = weights_of(name)
    if name != "swahr_tiny_synthetic":
        weights = str(save(official_weights("coco_w32", 7), tmp_path / "official.pth"))
    path = tmp_path / "network.onnx"
    assert export([name, weights, str(path)]) == 0
    # as many threads as torch has here: more would spin beside the other tests
    estimator = OnnxPoseEstimator(path, num_threads=1, as_config=True)
    model = init_model(str(CONFIGS / f"{name}.py"), weights, device="cpu")
    ann_file = real_data / "coco" / "person_keypoints_val.json"
    images = json.loads(ann_file.read_text())["images"][:num_images]
    same, ours, theirs = [], [], []
    for info in images:
        image = cv2.imread(str(real_data / "coco" / "images" / info["file_name"]))
        people, expected = estimator(image), inference_bottomup(model, image)[0].pred_instances
        ours.append((info["id"], people["keypoints"], people["bbox_scores"]))
        theirs.append((info["id"], expected.keypoints, expected.bbox_scores))
        same += same_keypoints(people, expected).flatten().tolist()
    assert np.mean(same) > 0.99
    assert sum(len(o[1]) for o in ours) == pytest.approx(sum(len(o[1]) for o in theirs), rel=0.01)
    ap, expected_ap = (
        figures_of(metric_for(ann_file), found)["coco/AP"] for found in (ours, theirs)
    )
    assert ap == pytest.approx(expected_ap, abs=1e-4)


WITHOUT_TORCH = """
import supervision, sys
from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.synthetic.dataset import generate_image
for block in sys.argv[1:]:
    exec(block)
assert keypoints.xy.shape == people["keypoints"].shape
missing = [name for name in ("torch", "mmpose", "mmengine") if name in sys.modules]
assert not missing, missing
np.save("found.npy", people["keypoints"])
"""


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory):
    """The Python of an environment that is made from nothing, with what the extra says."""
    environment = tmp_path_factory.mktemp("without_torch") / "env"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # the same OpenCV as here: its versions do not interpolate alike
    version = importlib.metadata.version("opencv-python-headless")
    opencv = [f"{name}=={version}" for name in ("opencv-python", "opencv-python-headless")]
    more = ["supervision", "fastapi", "uvicorn"]
    subprocess.run([*pip, f"{ROOT}[onnx,ray]", *more, *opencv], check=True)
    return python


@pytest.mark.slow
def test_an_environment_without_torch(without_torch, exported, people_images, tmp_path):
    """The blocks of the page on deployment, as they are."""
    cv2.imwrite(str(tmp_path / "image.jpg"), people_images[0])
    shutil.copy(exported, tmp_path / "tiny.onnx")
    words = ('image = cv2.imread("image.jpg")', "draw_people", "supervision.KeyPoints")
    blocks = [block_of("deployment.md", word) for word in words]
    subprocess.run([without_torch, "-c", WITHOUT_TORCH, *blocks], check=True, cwd=tmp_path)
    expected = OnnxPoseEstimator(exported)(cv2.imread(str(tmp_path / "image.jpg")))["keypoints"]
    assert len(expected)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-2, rtol=0)


def block_of(page, word):
    """The Python block of a page in which a word is."""
    text = (ROOT / "docs" / page).read_text()
    (block,) = (b for b in re.findall(r"```python\n(.*?)```", text, re.S) if word in b)
    return block


@pytest.fixture
def service(without_torch, exported, tmp_path):
    """The address of the service on the page on deployment."""
    (tmp_path / "service.py").write_text(block_of("deployment.md", "FastAPI"))
    shutil.copy(exported, tmp_path / "tiny.onnx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [without_torch, "-m", "uvicorn", "service:app", "--port", str(port)]
    running = subprocess.Popen(command, cwd=tmp_path)
    for _ in range(300):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/people"
    running.terminate()
    running.wait()


def post(address, content):
    try:
        with urllib.request.urlopen(address, data=content) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.slow
def test_the_service_of_the_page_on_deployment(service, exported, people_images):
    images = [cv2.imencode(".png", image)[1].tobytes() for image in people_images[:4]]
    with ThreadPoolExecutor(max_workers=4) as clients:
        answers = list(clients.map(post, [service] * 8, images * 2))
    estimator = OnnxPoseEstimator(exported)
    for (status, people), image in zip(answers, people_images[:4] * 2):
        assert status == 200
        np.testing.assert_allclose(people["keypoints"], estimator(image)["keypoints"], atol=1e-2)
    thin = cv2.imencode(".png", np.zeros((2, 200, 3), np.uint8))[1].tobytes()
    for content in (b"no image", images[0][:100], thin, b" "):
        assert post(service, content)[0] == 400
    status, answer = post(service, bytes(10_000_001))
    assert status == 413
    assert "10000000 bytes" in answer["detail"]
    assert post(service, images[0])[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_ray_of_the_page_on_scaling(without_torch, exported, tmp_path, killed):
    """The people of `OnnxPoseEstimator`; a worker that is killed loses nothing."""
    folder, out = tmp_path / "images" / "drawn", tmp_path / "out"
    generate_dataset(tmp_path, "drawn", SyntheticOptions(num_images=40, seed=7, long_side=128))
    (folder / "broken.jpg").write_text("no image")
    (tmp_path / "find.py").write_text(block_of("scaling.md", "ray.data"))
    command = [without_torch, "find.py", folder, exported, out]
    # where Ray would look for the packages of the directory that it is started in
    environment = dict(os.environ, RAY_USAGE_STATS_ENABLED="0", OMP_NUM_THREADS="1")
    running = subprocess.Popen(command, cwd=tmp_path, env=environment)
    if killed:
        assert kill_a_worker(running), "there was no worker"
    assert running.wait(timeout=300) == 0
    lines = [json.loads(line) for file in out.glob("*.json") for line in file.open()]
    found = {Path(line["file"]).name: json.loads(line["people"]) for line in lines}
    assert len(lines) == len(found) == 41
    assert "error" in found.pop("broken.jpg")
    estimator = OnnxPoseEstimator(exported, num_threads=1)
    for name, people in found.items():
        expected = estimator(cv2.imread(str(folder / name)))
        np.testing.assert_allclose(
            np.reshape(people["keypoints"], (-1, 17, 2)), expected["keypoints"], atol=1e-2
        )


def kill_a_worker(running):
    """Kill one of the processes in which Ray runs `FindPeople`, once it works."""
    while running.poll() is None:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                name = (process / "cmdline").read_text()
                if name.startswith("ray::") and "FindPeople" in name:
                    time.sleep(1)
                    os.kill(int(process.name), signal.SIGKILL)
                    return True
        time.sleep(0.05)
    return False
