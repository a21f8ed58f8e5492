"""Rows of `tools/benchmark.py` about other models that a user of MMPose could take instead.

All run end to end on one image, with random weights. What depends on the weights, the number of
people, is made ten in each: ours decodes maps of ten people, RTMO keeps its ten best proposals, and
RTMPose is given ten boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mmpose
import numpy as np
import torch
from mmengine.analysis import FlopAnalyzer
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmpose.apis import inference_bottomup, inference_topdown, init_model
from mmpose.registry import MODELS

import swahr_mmpose

from .maps import sees_people
from .row import Row

NUM_PEOPLE = 10

#: timm's names.
BACKBONES = (
    "tf_efficientnet_lite0",
    "mobilenetv4_conv_small",
    "convnextv2_atto",
    "resnet18",
)

#: COCO val2017 AP as MMPose's and MMDetection's model pages report them, with their own protocols.
PUBLISHED = {
    "RTMO-s": 67.3,
    "RTMO-m": 70.9,
    "RTMO-l": 72.4,
    "RTMPose-m with RTMDet-m": 74.6,
}


def model_rows(device: str) -> Iterator[Row]:
    """Ours against other models, the image in memory to people."""
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    ours = swahr_w32(image, device)
    for name, build in (
        ("RTMO-s", rtmo("s_8xb32")),
        ("RTMO-m", rtmo("m_16xb16")),
        ("RTMO-l", rtmo("l_16xb16")),
        ("RTMPose-m with RTMDet-m", rtmpose),
    ):
        other = build(image, device)
        what = f"{name} (AP {PUBLISHED[name]} as published)"
        yield Row(f"SWAHR-W32, 512, flip test, 640×480, {NUM_PEOPLE} people", ours, other, what)


def backbone_rows(device: str) -> Iterator[Row]:
    """Small backbones of timm against HRNet-W32: one pass of the network."""
    images = torch.zeros(1, 3, 512, 512, device=device)

    def network(config: str, **backbone: Any) -> tuple[Callable[[], Any], str]:
        settings = Config.fromfile(swahr_mmpose.config_path(config)).model
        settings.backbone.update(init_cfg=None, **backbone)
        model = MODELS.build(settings).to(device).eval()
        millions = sum(weight.numel() for weight in model.parameters()) / 1e6
        # of multiplications with additions, as papers count them
        operations = FlopAnalyzer(model, images).total()
        size = f"{millions:.1f} M parameters, {operations / 1e9:.1f} GFLOPs"
        return torch.no_grad()(lambda: model(images)), size

    w32, w32_size = network("swahr_hrnet_w32_coco")
    for name in BACKBONES:
        ours, size = network("swahr_lite0_coco", name=name, pretrained=False)
        yield Row(f"{name}, 512×512: {size}", ours, w32, f"HRNet-W32: {w32_size}")


def installed(path: str) -> Path:
    """A file that comes with MMPose."""
    package = Path(mmpose.__file__).parent
    return next(p for p in (package / ".mim" / path, package.parent / path) if p.is_file())


def swahr_w32(image: np.ndarray, device: str) -> Callable[[], Any]:
    """Ours; the paper reports AP 68.9."""
    config = str(swahr_mmpose.config_path("swahr_hrnet_w32_coco"))
    model = init_model(config, device=device)
    sees_people(model, NUM_PEOPLE, device)
    return lambda: inference_bottomup(model, image)


def rtmo(name: str) -> Callable[[np.ndarray, str], Callable[[], Any]]:
    """A one-stage model of MMPose."""

    def build(image: np.ndarray, device: str) -> Callable[[], Any]:
        path = f"configs/body_2d_keypoint/rtmo/coco/rtmo-{name}-600e_coco-640x640.py"
        model = init_model(str(installed(path)), device=device)
        model.test_cfg.update(score_thr=0.0, nms_pre=NUM_PEOPLE)
        return lambda: inference_bottomup(model, image)

    return build


def rtmpose(image: np.ndarray, device: str) -> Callable[[], Any]:
    """A detector, and a pose network for each of ten people."""
    from mmdet.apis import inference_detector, init_detector

    path = "configs/body_2d_keypoint/rtmpose/coco/rtmpose-m_8xb256-420e_coco-256x192.py"
    model = init_model(str(installed(path)), device=device)
    config = Config.fromfile(installed("demo/mmdetection_cfg/rtmdet_m_640-8xb32_coco-person.py"))
    config.model.backbone.init_cfg = None
    detector = init_detector(config, device=device, palette="none")
    init_default_scope("mmpose")  # it has set its own
    boxes = np.array([[50 + 50 * i, 100, 150 + 50 * i, 400] for i in range(NUM_PEOPLE)], float)

    def run() -> None:
        with DefaultScope.overwrite_default_scope("mmdet"):
            inference_detector(detector, image)
        inference_topdown(model, image, boxes)

    return run
