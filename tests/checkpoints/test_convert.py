"""Checkpoints of other implementations, in their own layouts, to ours."""

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpose.apis import init_model

from swahr_mmpose.checkpoints.convert import ConversionError, convert_checkpoint
from swahr_mmpose.checkpoints.reading import read_checkpoint
from swahr_mmpose.checkpoints.renaming import identify

from ..helpers import (
    CONFIGS,
    GOLDEN,
    ROOT,
    build_model,
    golden,
    load_config,
    official_weights,
)

W32 = CONFIGS / "swahr_hrnet_w32_coco.py"


@pytest.fixture(scope="module")
def official():
    return official_weights("coco_w32", 7)


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


def save(content, path):
    torch.save(content, path)
    return path


@pytest.mark.slow
def test_official_checkpoint_gives_the_official_outputs(official, tmp_path):
    """Through the command line and MMPose's own loading."""
    source = save(official, tmp_path / "official.pth")
    destination = tmp_path / "converted.pth"
    tool = ROOT / "tools" / "convert_checkpoint.py"
    result = subprocess.run(
        [sys.executable, tool, source, destination, "--config", W32],
        text=True,
        capture_output=True,
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
    converted = convert_checkpoint(save(content, tmp_path / "a.pth"), tmp_path / "b.pth", W32)
    assert len(converted.state_dict) == 1828
    assert converted.dropped == []


@pytest.mark.parametrize(
    ("layout", "kind"),
    [(without_scales, "official HigherHRNet"), (mmpose_0x, "MMPose 0.x")],
)
def test_higherhrnet_layouts(official, tmp_path, layout, kind):
    source = layout(official)
    config = CONFIGS / "higherhrnet_w32_coco.py"
    converted = convert_checkpoint(save(source, tmp_path / "a.pth"), tmp_path / "b.pth", config)
    assert converted.kind == kind
    assert len(converted.state_dict) == len(source)
    torch.testing.assert_close(
        converted.state_dict["head.deconv_layers.0.0.0.weight"],
        official["deconv_layers.0.0.0.weight"],
    )


def test_swahr_for_the_baseline_drops_the_branches_by_name(official, tmp_path):
    config = CONFIGS / "higherhrnet_w32_coco.py"
    source = save(official, tmp_path / "a.pth")
    converted = convert_checkpoint(source, tmp_path / "b.pth", config)
    assert len(converted.dropped) == 18
    assert all(key.startswith("conv_scale_layers.") for key in converted.dropped)


@pytest.mark.parametrize("layout", [without_scales, mmpose_0x])
def test_a_baseline_starts_a_swahr_config(official, tmp_path, layout):
    """Its branches are not there, and stay as they are initialised: at zero."""
    source = save(layout(official), tmp_path / "a.pth")
    destination = tmp_path / "b.pth"
    convert_checkpoint(source, destination, W32)
    model = build_model(load_config("swahr_hrnet_w32_coco"))
    load_checkpoint(model, str(destination))
    torch.testing.assert_close(model.backbone.conv1.weight, official["conv1.weight"])
    assert (model.head.scale_layers[0][-1].weight == 0).all()


def test_imagenet_backbone_initialises(official, tmp_path):
    source = save(classifier(official), tmp_path / "a.pth")
    destination = tmp_path / "b.pth"
    converted = convert_checkpoint(source, destination, W32)
    assert converted.kind == "HRNet backbone"
    assert len(converted.dropped) == 5
    from mmpose.registry import MODELS

    config = load_config("swahr_hrnet_w32_coco")
    config.model.backbone.init_cfg = dict(type="Pretrained", checkpoint=str(destination))
    backbone = MODELS.build(config.model.backbone)
    backbone.init_weights()
    torch.testing.assert_close(backbone.conv1.weight, official["conv1.weight"])


def test_crowdpose_w48_fits_its_config(tmp_path):
    weights = official_weights("crowdpose_w48", 7)
    config = CONFIGS / "swahr_hrnet_w48_crowdpose.py"
    convert_checkpoint(save(weights, tmp_path / "a.pth"), tmp_path / "b.pth", config)
    meta = read_checkpoint(tmp_path / "b.pth")["meta"]
    assert meta["dataset_meta"]["num_keypoints"] == 14


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# torch warns of every sparse tensor that it reads
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (
            lambda s: s,
            "swahr_hrnet_w48_coco",
            "of another shape or kind: .*instead of.*Use the config",
        ),
        (lambda s: s, "swahr_hrnet_w32_crowdpose", "of another shape or kind: head.final_layers"),
        (
            lambda s: {k: v for k, v in s.items() if not k.startswith("conv_scale_layers.1.")},
            "swahr_hrnet_w32_coco",
            "missing in the checkpoint: head.scale_layers.1",
        ),
        (
            lambda s: {**s, "extra.weight": torch.zeros(1)},
            "swahr_hrnet_w32_coco",
            "not expected by the config: extra.weight",
        ),
        (lambda s: {"fc.weight": torch.zeros(1)}, "swahr_hrnet_w32_coco", "no known source"),
        (
            lambda s: {"head.final_layers.0.weight": torch.zeros(1)},
            "swahr_hrnet_w32_coco",
            "needs no conversion",
        ),
        (lambda s: dict(epoch=1), "swahr_hrnet_w32_coco", "holds no state dict"),
        (
            lambda s: {**s, (1, 2): torch.zeros(1)},
            "swahr_hrnet_w32_coco",
            "is not text but a tuple",
        ),
        (
            lambda s: {**s, "conv1.weight": s["conv1.weight"].to_sparse()},
            "swahr_hrnet_w32_coco",
            # older versions of torch don't get as far as to rebuild it
            "the weight 'conv1.weight', which is sparse|_rebuild_sparse_tensor",
        ),
        (
            lambda s: {**s, "conv1.weight": s["conv1.weight"].char()},
            "swahr_hrnet_w32_coco",
            "conv1.weight torch.int8 instead of torch.float32",
        ),
        (
            lambda s: {**s, "conv1.weight": s["conv1.weight"] / 0},
            "swahr_hrnet_w32_coco",
            "NaN or infinity in 1 tensors, first backbone.conv1.weight",
        ),
    ],
)
def test_wrong_checkpoints_are_named_and_write_nothing(official, tmp_path, change, config, message):
    source = save(change(official), tmp_path / "a.pth")
    with pytest.raises(ConversionError, match=message):
        convert_checkpoint(source, tmp_path / "b.pth", CONFIGS / f"{config}.py")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


class Dangerous:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_damaged_and_dangerous_files_are_named(tmp_path, capsys):
    damaged = save(dict(weight=torch.zeros(1000)), tmp_path / "damaged.pth")
    truncated(damaged)
    dangerous = save(dict(state_dict=Dangerous()), tmp_path / "dangerous.pth")
    (tmp_path / "empty.pth").touch()
    text = tmp_path / "text.pth"
    text.write_text("this is no checkpoint")
    for path in (damaged, dangerous, text, tmp_path / "empty.pth"):
        with pytest.raises(ConversionError, match="can't be read as a checkpoint") as caught:
            convert_checkpoint(path, tmp_path / "out.pth", W32)
        # torch's message advises to switch the check off
        assert "weights_only" not in str(caught.value)
    with pytest.raises(ConversionError, match="There is no file"):
        convert_checkpoint(tmp_path / "missing.pth", tmp_path / "out.pth", W32)
    assert not (tmp_path / "out.pth").exists()
    assert "must not run" not in capsys.readouterr().out


def test_the_command_line_reports_errors(tmp_path, capsys):
    main = runpy.run_path(str(ROOT / "tools" / "convert_checkpoint.py"))["main"]
    assert main([str(tmp_path / "missing.pth"), str(tmp_path / "b.pth"), "--config", str(W32)]) == 2
    assert capsys.readouterr().err.startswith("error: There is no file")


def test_nothing_that_is_read_is_replaced(official, tmp_path, capsys):
    main = runpy.run_path(str(ROOT / "tools" / "convert_checkpoint.py"))["main"]
    source = save(official, tmp_path / "a.pth")
    config = tmp_path / "own.py"
    config.write_text(f"_base_ = [{str(W32)!r}]\n")
    (tmp_path / "link.pth").symlink_to(source)
    (tmp_path / "folder").mkdir()
    before = source.read_bytes()
    for name, message in (
        ("a.pth", "is read, and would be replaced"),
        ("link.pth", "is read, and would be replaced"),
        ("own.py", "is read, and would be replaced"),
        ("folder", "is a folder"),
    ):
        destination = tmp_path / name
        assert main([str(source), str(destination), "--config", str(config)]) == 2
        assert capsys.readouterr().err.startswith(f"error: '{destination}' {message}")
    assert source.read_bytes() == before
    assert config.read_text().startswith("_base_")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(type='BottomupPyramidEstimator')", "has no `model.backbone`"),
        ("model = 5", "has no `model.backbone`"),
        ("model = dict(", "can't be read. SyntaxError"),
        ("model = nothing", "can't be read. NameError"),
        ("model = dict(backbone=dict(type='NoNet'))", "can't be built"),
    ],
)
def test_configs_that_can_not_be_used_are_named(official, tmp_path, capsys, text, message):
    main = runpy.run_path(str(ROOT / "tools" / "convert_checkpoint.py"))["main"]
    source = save(official, tmp_path / "a.pth")
    config = tmp_path / "own.py"
    config.write_text(text)
    assert main([str(source), str(tmp_path / "b.pth"), "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert f"config '{config}'" in error
    assert message in error
    assert not (tmp_path / "b.pth").exists()


def test_configs_and_folders_that_are_not_there_are_named(official, tmp_path):
    source = save(official, tmp_path / "a.pth")
    with pytest.raises(ConversionError, match=r"no config 'swahr_w32'\..* There are: "):
        convert_checkpoint(source, tmp_path / "b.pth", "swahr_w32")
    with pytest.raises(ConversionError, match=r"The folder '.*missing' of the file to write"):
        convert_checkpoint(source, tmp_path / "missing" / "b.pth", "swahr_hrnet_w32_coco")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ConversionError, match="has no `model`"):
        convert_checkpoint(source, tmp_path / "b.pth", tmp_path / "empty.py")


def test_a_config_by_its_name(official, tmp_path):
    source = save(official, tmp_path / "a.pth")
    assert convert_checkpoint(source, tmp_path / "b.pth", "swahr_hrnet_w32_coco").dropped == []


def test_layouts_are_recognised_by_their_keys():
    keys = json.loads((GOLDEN / "keys_coco_w32.json").read_text())
    assert identify(keys) == "official SWAHR"
    assert identify(mmpose_0x(dict.fromkeys(keys))) == "MMPose 0.x"
    assert identify(classifier(dict.fromkeys(keys))) == "HRNet backbone"
