"""Rows of `tools/benchmark.py`: one function per row or group of rows."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from mmpose.codecs import AssociativeEmbedding
from mmpose.models.losses import AssociativeEmbeddingLoss
from mmpose.registry import MODELS
from mmpose.structures import MultilevelPixelData, PoseDataSample

import swahr_mmpose
from swahr_mmpose.decoding import default_keypoint_order
from swahr_mmpose.models import HigherHRNetHead, SWAHRHead
from swahr_mmpose.models.losses import TagGroupingLoss
from swahr_mmpose.models.outputs import Level

from .deployment import onnx_rows, predict_rows
from .inference import inference_rows
from .maps import K, aggregated_maps, our_codec, people_in
from .models import backbone_rows, model_rows
from .row import Row


def synchronize(device: str) -> None:
    """Wait for the device."""
    if device != "cpu":
        torch.cuda.synchronize()


def stock_codec(size: int) -> AssociativeEmbedding:
    """MMPose's associative-embedding codec, decoding maps of the input's size."""
    return AssociativeEmbedding(
        input_size=(size, size),
        heatmap_size=(size, size),
        sigma=2,
        decode_topk=30,
        decode_center_shift=0.5,
        decode_keypoint_order=list(default_keypoint_order(K)),
        decode_max_instances=30,
    )


def decode_rows(device: str) -> Iterator[Row]:
    """Decoding of flip-tested maps at 640×640."""
    for num_people in (3, 10, 25):
        heatmaps, tags = (maps.to(device) for maps in aggregated_maps(640, num_people))
        ours, stock = our_codec(640), stock_codec(640)
        yield Row(
            f"decode 640×640, {num_people} people",
            lambda h=heatmaps, t=tags, c=ours: c.batch_decode(h, t),
            lambda h=heatmaps, t=tags, c=stock: c.batch_decode(h, t),
            "stock AssociativeEmbedding.batch_decode",
        )


def tag_loss_rows(device: str) -> Iterator[Row]:
    """Tag loss, forward and backward."""
    rng = np.random.default_rng(0)
    tags = torch.randn(10, K, 160, 160, device=device, requires_grad=True)
    indices = []
    for _ in range(10):
        index = rng.integers(0, 160 * 160, (8, K))
        visible = rng.random((8, K)) < 0.8
        stacked = np.stack([np.where(visible, index, 0), visible], axis=-1).astype(np.int64)
        indices.append(torch.from_numpy(stacked).to(device))

    def run(loss: Any) -> None:
        tags.grad = None
        sum(loss(tags, indices)).backward()
        synchronize(device)

    ours, stock = TagGroupingLoss(), AssociativeEmbeddingLoss(loss_weight=1e-3)
    yield Row(
        "tag loss, B=10, 8 people, 160×160",
        lambda: run(ours),
        lambda: run(stock),
        "stock AssociativeEmbeddingLoss",
    )


def heatmap_loss_rows(device: str) -> Iterator[Row]:
    """Heatmap and scale losses of both resolutions, forward and backward."""
    gpu = device != "cpu"
    batch_size, size = (10, 640) if gpu else (4, 320)
    encoded = our_codec(size).encode(people_in(size, 8, np.random.default_rng(0)))["heatmaps"]
    levels = []
    for heatmaps in encoded:
        target = torch.from_numpy(np.stack([heatmaps] * batch_size)).to(device)
        pred, scales = (torch.randn_like(target).mul_(0.1).requires_grad_() for _ in range(2))
        levels.append(Level(pred, target, torch.rand_like(target[:, :1]) > 0.1, scales))
    compute = SWAHRHead(in_channels=8, num_keypoints=K).level_losses

    def run(losses: Callable[[Level], dict[str, torch.Tensor]]) -> None:
        for level in levels:
            level.heatmaps.grad = level.scales.grad = None
        sum(loss for level in levels for loss in losses(level).values()).backward()
        synchronize(device)

    ours = torch.compile(compute) if gpu else compute
    baseline = HigherHRNetHead(in_channels=8, num_keypoints=K).level_losses
    name = f"heatmap and scale losses, B={batch_size}, {size}×{size}"
    yield Row(name, lambda: run(ours), lambda: run(baseline), "squared error of HigherHRNet")
    if gpu:
        yield Row(f"{name}, compiled", lambda: run(ours), lambda: run(compute), "not compiled")
        # prediction, target and α are read, two gradients written: as much as copying 2½ maps
        pixels = sum(5 * level.target.numel() // 2 for level in levels)
        source = torch.empty(pixels, device=device)
        copy = torch.empty_like(source)
        yield Row(name, lambda: run(ours), lambda: copy.copy_(source), "copying as many bytes")


def target_rows(device: str) -> Iterator[Row]:
    """What a data loader's worker does for one image."""
    del device  # always on the CPU
    keypoints = people_in(640, 8, np.random.default_rng(0))
    visible = np.ones(keypoints.shape[:2], np.float32)
    ours = our_codec(640, encode_heatmaps=False)
    stock = [
        AssociativeEmbedding(input_size=(640, 640), heatmap_size=(size, size), sigma=2)
        for size in (160, 320)
    ]
    yield Row(
        "targets, 640×640, 8 people, two resolutions",
        lambda: ours.encode(keypoints, visible),
        lambda: [codec.encode(keypoints, visible) for codec in stock],
        "stock AssociativeEmbedding.encode, twice",
    )


def target_bytes() -> tuple[int, int]:
    """Bytes of one image's targets through the data loader's pipe, ours and with heatmaps."""
    keypoints = people_in(640, 8, np.random.default_rng(0))
    return tuple(
        len(pickle.dumps(our_codec(640, encode_heatmaps=heatmaps).encode(keypoints)))
        for heatmaps in (False, True)
    )


def training_batch(size: int, batch_size: int) -> dict[str, Any]:
    """Images of noise with eight people each, as the data loader gives them."""
    rng = np.random.default_rng(0)
    codec = our_codec(size, encode_heatmaps=False)
    samples = []
    for _ in range(batch_size):
        encoded = codec.encode(people_in(size, 8, rng))
        sample = PoseDataSample(metainfo=dict(target_sigma=encoded["target_sigma"]))
        sample.gt_instance_labels = InstanceData(
            keypoint_indices=torch.from_numpy(encoded["keypoint_indices"]),
            keypoint_centers=torch.from_numpy(encoded["keypoint_centers"]),
        )
        sample.gt_fields = MultilevelPixelData(
            heatmap_mask=[torch.ones(1, h, w, dtype=torch.bool) for w, h in codec.heatmap_sizes]
        )
        samples.append(sample)
    images = [
        torch.from_numpy(rng.integers(0, 255, (3, size, size), dtype=np.uint8)) for _ in samples
    ]
    return dict(inputs=images, data_samples=samples)


def training_step(name: str, device: str, size: int, batch_size: int, fast: bool = False) -> Any:
    """A function that runs one training step of a config; ``fast`` with all that speeds it up."""
    config = Config.fromfile(swahr_mmpose.config_path(name))
    config.model.backbone.init_cfg = None
    codec = our_codec(size)
    config.model.head.decoder.update(input_size=codec.input_size, heatmap_sizes=codec.heatmap_sizes)
    if fast:
        config.optim_wrapper.update(type="AmpOptimWrapper", dtype="bfloat16")
        config.optim_wrapper.optimizer.fused = True
        config.model.head.compile_losses = True
    model = MODELS.build(config.model).to(device)
    if fast:
        model.to(memory_format=torch.channels_last)
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    batch = training_batch(size, batch_size)
    return lambda: model.train_step(batch, optimizer)


def training_rows(device: str) -> Iterator[Row]:
    """One training step: what SWAHR adds to HigherHRNet, and on a GPU what half precision saves."""
    gpu = device != "cpu"
    size, batch_size, width = (640, 10, "w48") if gpu else (128, 2, "w32")
    names = f"swahr_hrnet_{width}_coco", f"higherhrnet_{width}_coco"
    ours, baseline = (training_step(name, device, size, batch_size) for name in names)
    what = f"training step {width.upper()}, {size}×{size}, B={batch_size}"
    yield Row(what, ours, baseline, "our HigherHRNet", memory=gpu)
    if gpu:
        fast = training_step(names[0], device, size, batch_size, fast=True)
        name = f"{what}, bf16, channels_last, fused Adam"
        yield Row(name, fast, ours, "the same in float32", memory=True)


ROWS = dict(
    decode=decode_rows,
    tag_loss=tag_loss_rows,
    heatmap_loss=heatmap_loss_rows,
    targets=target_rows,
    inference=inference_rows,
    training=training_rows,
    onnx=onnx_rows,
    predict=predict_rows,
    models=model_rows,
    backbones=backbone_rows,
)
