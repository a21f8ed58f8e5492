"""Checkpoints of other implementations, in their own layouts, to ours."""

import pickle
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpose.apis import init_model
from mmpose.registry import MODELS

from swahr_mmpose.checkpoints.convert import convert_checkpoint
from swahr_mmpose.checkpoints.reading import CheckpointError, read_checkpoint

from ..helpers import (
    CONFIGS,
    ROOT,
    build_model,
    golden,
    load_config,
    official_weights,
    paddle_weights,
    save,
)

TINY = "swahr_tiny_synthetic"
W32 = CONFIGS / "swahr_hrnet_w32_coco.py"


def official_layout(state_dict):
    """A state dict of ours as the official code would save it."""
    return {
        name.replace("head.scale_layers.", "conv_scale_layers.")
        .replace("head.", "")
        .replace("backbone.", ""): value
        for name, value in state_dict.items()
    }


@pytest.fixture(scope="module")
def official():
    torch.manual_seed(0)
    return official_layout(build_model(load_config(TINY)).state_dict())


def without_scales(state_dict):
    return {k: v for k, v in state_dict.items() if not k.startswith("conv_scale_layers.")}


def mmpose_0x(state_dict):
    """The layout of MMPose 0.x: HRNet as `backbone`, AEHigherResolutionHead as `keypoint_head`."""
    head = ("final_layers.", "deconv_layers.")
    return {
        ("keypoint_head." if key.startswith(head) else "backbone.") + key: value
        for key, value in without_scales(state_dict).items()
    }


def classifier(state_dict):
    """An ImageNet HRNet: its last stage merges into all branches, and classifies."""
    head = ("final_layers.", "deconv_layers.", "conv_scale_layers.")
    backbone = {key: value for key, value in state_dict.items() if not key.startswith(head)}
    extra = ["stage4.2.fuse_layers.3.0.2.0.weight", "incre_modules.0.0.conv1.weight"]
    extra += ["downsamp_modules.0.0.weight", "final_layer.0.weight", "classifier.weight"]
    return {**backbone, **{key: torch.zeros(2) for key in extra}}


@pytest.mark.slow
def test_official_checkpoint_gives_the_official_outputs(tmp_path):
    """Through the command line and MMPose's own loading."""
    source = save(official_weights("coco_w32", 7), tmp_path / "official.pth")
    destination = tmp_path / "converted.pth"
    tool = ROOT / "tools" / "convert_checkpoint.py"
    result = subprocess.run(
        [sys.executable, tool, source, destination, "--config", W32], text=True, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    assert "Recognised official SWAHR; wrote 1828 tensors" in result.stdout
    model = init_model(str(W32), str(destination), device="cpu")
    assert model.dataset_meta["num_keypoints"] == 17
    numbers = golden("network_coco_w32")
    with torch.no_grad():
        output = model(torch.from_numpy(numbers["x"]), None, mode="tensor")
    ours = torch.cat([output.scales[1], output.heatmaps[1]], dim=1).numpy()
    expected = numbers["out_1"]
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("wrap", ["plain", "state_dict", "data_parallel"])
def test_wrappings_of_a_state_dict_are_taken_off(official, tmp_path, wrap):
    content = dict(official)
    if wrap == "data_parallel":
        content = {f"module.{key}": value for key, value in content.items()}
    if wrap == "state_dict":
        content = dict(epoch=3, state_dict=content)
    source = save(content, tmp_path / "a.pth")
    converted = convert_checkpoint(source, tmp_path / "b.pth", TINY)
    assert len(converted.kept) == len(official)
    assert converted.dropped == []


@pytest.mark.parametrize(
    ("layout", "name"), [(without_scales, "official HigherHRNet"), (mmpose_0x, "MMPose 0.x")]
)
def test_a_baseline_starts_a_swahr_config(official, tmp_path, layout, name):
    """Its branches are not there, and stay as they are initialised: at zero."""
    source = save(layout(official), tmp_path / "a.pth")
    destination = tmp_path / "b.pth"
    converted = convert_checkpoint(source, destination, TINY)
    assert converted.layout == name
    assert len(converted.kept) == len(layout(official))
    model = build_model(load_config(TINY))
    load_checkpoint(model, str(destination))
    torch.testing.assert_close(model.backbone.conv1.weight, official["conv1.weight"])
    torch.testing.assert_close(
        model.head.deconv_layers[0][0][0].weight, official["deconv_layers.0.0.0.weight"]
    )
    assert (model.head.scale_layers[0][-1].weight == 0).all()


def test_swahr_for_the_baseline_drops_the_branches_by_name(tmp_path):
    config = CONFIGS / "higherhrnet_w32_coco.py"
    source = save(official_weights("coco_w32", 7), tmp_path / "a.pth")
    converted = convert_checkpoint(source, tmp_path / "b.pth", config)
    assert len(converted.dropped) == 18
    assert all(name.startswith("head.scale_layers.") for name in converted.dropped)


def test_the_count_of_batches_is_not_needed(official, tmp_path):
    """Prediction does not read `num_batches_tracked`, and other frameworks don't save it."""
    weights = {k: v for k, v in official.items() if not k.endswith("num_batches_tracked")}
    source = save(weights, tmp_path / "a.pth")
    converted = convert_checkpoint(source, tmp_path / "b.pth", TINY)
    assert len(converted.kept) == len(weights) < len(official)
    for path in (source, tmp_path / "b.pth"):
        model = build_model(load_config(TINY))
        load_checkpoint(model, str(path))
        torch.testing.assert_close(model.backbone.conv1.weight, official["conv1.weight"])


def test_an_imagenet_classifier_initialises_the_backbone_as_it_is(official, tmp_path):
    source = save(classifier(official), tmp_path / "a.pth")
    config = load_config(TINY)
    config.model.backbone.init_cfg = dict(type="Pretrained", checkpoint=str(source))
    backbone = MODELS.build(config.model.backbone)
    backbone.init_weights()
    for name, value in backbone.state_dict().items():
        assert (value == official[name]).all()


def test_crowdpose_w48_fits_its_config(tmp_path):
    weights = official_weights("crowdpose_w48", 7)
    config = CONFIGS / "swahr_hrnet_w48_crowdpose.py"
    convert_checkpoint(save(weights, tmp_path / "a.pth"), tmp_path / "b.pth", config)
    meta = read_checkpoint(tmp_path / "b.pth")["meta"]
    assert meta["dataset_meta"]["num_keypoints"] == 14


@pytest.mark.slow
def test_paddledetection_is_converted(tmp_path, capsys):
    main = runpy.run_path(str(ROOT / "tools" / "convert_checkpoint.py"))["main"]
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(paddle_weights(), 2))
    assert (
        main([*map(str, (tmp_path / "a.pdparams", tmp_path / "b.pth")), "--config", str(W32)]) == 0
    )
    assert "Recognised PaddleDetection; wrote 1525 tensors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["backbone.conv_layer1_1.conv.weight", "final_conv.weight"], "such as a top-down one"),
        (["backbone.stem.conv1.conv.weight", "final_conv.weight"], "It is a Lite-HRNet"),
        (["conv_layer1_1.conv.weight", "fc.weight"], "It is an HRNet without keypoints"),
    ],
)
def test_other_networks_are_named(tmp_path, names, message):
    """As PaddleDetection publishes them too."""
    source = tmp_path / "a.pdparams"
    source.write_bytes(pickle.dumps(dict.fromkeys(names, np.zeros(1, np.float32))))
    with pytest.raises(CheckpointError, match=message):
        convert_checkpoint(source, tmp_path / "b.pth", TINY)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(build_model(load_config(TINY)), str(source))


# torch warns of every sparse tensor that it reads
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (dict, "swahr_hrnet_w32_coco", "another shape: .*network of width 24 .*Use the config"),
        (
            lambda s: {k: v for k, v in s.items() if not k.startswith("conv_scale_layers.1.")},
            TINY,
            "missing weights: 8, first head.scale_layers.1",
        ),
        (lambda s: {"fc.weight": torch.zeros(1)}, TINY, r"no layout .*: MMPose 0.x, .*fc.we"),
        (lambda s: {"head.a": torch.zeros(1)}, TINY, "this package loads as it is"),
        (classifier, TINY, "ImageNet HRNet of PyTorch, in `model.backbone.init_cfg`"),
        (lambda s: dict(epoch=1), TINY, "holds no state dict"),
        (lambda s: {**s, (1, 2): torch.zeros(1)}, TINY, "is not text but a tuple"),
        (
            lambda s: {**s, "conv1.weight": s["conv1.weight"].to_sparse()},
            TINY,
            # older versions of torch don't get as far as to rebuild it
            "first backbone.conv1.weight is sparse|_rebuild_sparse_tensor",
        ),
        (
            lambda s: {**s, "conv1.weight": s["conv1.weight"].char()},
            TINY,
            "first backbone.conv1.weight is torch.int8 instead of torch.float32",
        ),
        (
            lambda s: {**s, "conv1.weight": s["conv1.weight"] / 0},
            TINY,
            "NaN or infinity in 1 tensors, first backbone.conv1.weight",
        ),
    ],
)
def test_wrong_checkpoints_are_named_and_write_nothing(official, tmp_path, change, config, message):
    source = save(change(official), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=message):
        convert_checkpoint(source, tmp_path / "b.pth", config)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize(
    ("source", "destination", "config", "message"),
    [
        ("missing.pth", "b.pth", W32, "There is no file"),
        ("a.pth", "b.pth", W32, "'{source}' can't be read as a checkpoint"),
        ("a.pth", "a.pth", W32, "'{destination}' is read, and would be replaced"),
        ("a.pth", "link.pth", W32, "'{destination}' is read, and would be replaced"),
        ("a.pth", "own.py", "own.py", "'{destination}' is read, and would be replaced"),
        ("a.pth", "folder", W32, "'{destination}' is a folder"),
        ("a.pth", "no/b.pth", W32, "The folder '"),
        ("a.pth", "b.pth", "swahr_w32", "There is no config 'swahr_w32'."),
        ("a.pth", "b.pth", "own.py", "The config '{config}' has no `model`"),
        ("w.pth", "b.pth", "net.py", "The model of config '{config}' can't be built"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    official, tmp_path, capsys, source, destination, config, message
):
    main = runpy.run_path(str(ROOT / "tools" / "convert_checkpoint.py"))["main"]
    (tmp_path / "a.pth").write_text("this is no checkpoint")
    torch.save(official, tmp_path / "w.pth")
    (tmp_path / "own.py").write_text("a = 1")
    (tmp_path / "net.py").write_text("model = dict(backbone=dict(type='NoNet'))")
    (tmp_path / "link.pth").symlink_to(tmp_path / "a.pth")
    (tmp_path / "folder").mkdir()
    source, destination = tmp_path / source, tmp_path / destination
    config = tmp_path / config if config in {"own.py", "net.py"} else config
    before = sorted(tmp_path.iterdir())
    assert main([str(source), str(destination), "--config", str(config)]) == 2
    expected = message.format(source=source, destination=destination, config=config)
    assert capsys.readouterr().err.startswith(f"error: {expected}")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "a.pth").read_text() == "this is no checkpoint"
