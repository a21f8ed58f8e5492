"""What several test files need: golden numbers, official weights, small models and samples."""

import contextlib
import json
import os
import pickle
import re
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import METRICS, MODELS
from mmpose.structures import PoseDataSample

from swahr_mmpose.checkpoints import model_zoo, reading
from swahr_mmpose.codecs import ScaleAdaptiveHeatmap
from swahr_mmpose.decoding import DecodeOptions

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
GOLDEN = Path(__file__).resolve().parent / "data" / "golden"

#: Of this environment.
MIM = Path(sys.executable).with_name("mim")


def run_on_cpu(*command, cwd):
    """A command that ran, with what it said as text."""
    env = dict(os.environ, CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="2")
    options = dict(text=True, capture_output=True, timeout=900)
    return subprocess.run([*map(str, command)], cwd=cwd, env=env, **options)


def golden(name):
    return np.load(GOLDEN / f"{name}.npz")


def official_weights(name, salt):
    """Random weights in the official layout, by the recipe of the golden numbers."""
    return weights_of(json.loads((GOLDEN / f"keys_{name}.json").read_text()), salt)


def weights_of(shapes, salt):
    """Random weights by the recipe of the golden numbers, from key → shape."""
    state_dict = {}
    for key, shape in shapes.items():
        rng = np.random.default_rng([zlib.crc32(key.encode()), salt])
        if key.endswith("num_batches_tracked"):
            state_dict[key] = torch.tensor(0)
            continue
        if len(shape) > 1:
            values = rng.normal(0, np.sqrt(1 / np.prod(shape[1:])), shape)
        elif key.endswith(("running_var", "_variance")):
            values = rng.uniform(0.6, 1.4, shape)
        elif key.endswith(("running_mean", "_mean")):
            values = rng.normal(0, 0.1, shape)
        elif key.endswith(".weight"):
            values = rng.uniform(0.3, 0.7, shape)
        else:
            values = rng.normal(0, 0.05, shape)
        state_dict[key] = torch.from_numpy(values.astype(np.float32))
    return state_dict


def paddle_weights():
    """Random weights in PaddleDetection's layout, by the recipe, as arrays."""
    numbers = golden("paddle_coco_w32_swahr")
    shapes = dict(zip(numbers["keys"].tolist(), map(json.loads, numbers["shapes"].tolist())))
    return {k: v.numpy() for k, v in weights_of(shapes, int(numbers["salt"])).items()}


def tiny_paddle_file(path):
    """The packaged weights, with the head's and the normalisations' names as in PaddleDetection."""
    names = {
        r"^head\.final_layers\.0": "hrhrnet_head.conv1",
        r"^head\.final_layers\.1": "hrhrnet_head.conv2",
        r"^head\.scale_layers\.": "hrhrnet_head.scalelayer",
        r"running_mean$": "_mean",
        r"running_var$": "_variance",
    }
    packaged = reading.read_checkpoint(model_zoo.weights_of("swahr_tiny_synthetic"))
    weights = {}
    for name, value in packaged["state_dict"].items():
        for ours, theirs in names.items():
            name = re.sub(ours, theirs, name)
        if not name.endswith("num_batches_tracked"):
            weights[name] = value.numpy()
    path.write_bytes(pickle.dumps(weights, 2))
    return path


def save(content, path):
    torch.save(content, path)
    return path


def load_config(name):
    config = Config.fromfile(CONFIGS / f"{name}.py")
    init_default_scope("mmpose")
    config.model.backbone.init_cfg = None
    return config


def build_model(config):
    return MODELS.build(config.model)


def dataset_meta(config):
    from mmpose.apis.inference import dataset_meta_from_config

    return dataset_meta_from_config(config, "test")


def codec_for(size, **kwargs):
    """The codec for an input of ``size`` (w, h)."""
    w, h = size
    sizes = [(w // 4, h // 4), (w // 2, h // 2)]
    return ScaleAdaptiveHeatmap(input_size=size, heatmap_sizes=sizes, **kwargs)


def maps_of(numbers):
    """Heatmaps (K, H, W) and tags (L, K, H, W) of a golden grouping case.

    No two heatmap values are equal: see the golden numbers' description.
    """
    heatmaps = numbers["heatmaps"].astype(np.float32)
    noise = np.random.default_rng(0).random(heatmaps.shape)
    tags = numbers["tags"].astype(np.float32)
    return (heatmaps * (1 + 1e-3 * noise)).astype(np.float32), np.moveaxis(tags, -1, 0).copy()


def options_of(numbers, **kwargs):
    """The options of a golden grouping case."""
    return DecodeOptions(
        keypoint_thr=float(numbers["detection_threshold"]),
        tag_thr=float(numbers["tag_threshold"]),
        topk=int(numbers["max_num_people"]),
        nms_kernel=int(numbers["nms_kernel"]),
        **kwargs,
    )


def noisy_maps(seed=0, size=(48, 64), num_keypoints=5, tag_dim=2):
    """Maps of blurred noise: many candidates, near in tags, and no two values equal."""
    rng = np.random.default_rng(seed)
    noise = rng.random((num_keypoints, *size)).astype(np.float32)
    heatmaps = np.stack([cv2.GaussianBlur(own, (0, 0), 2) for own in noise])
    heatmaps = (heatmaps - heatmaps.min()) / np.ptp(heatmaps) * 0.9
    return heatmaps, rng.normal(0, 2, (tag_dim, num_keypoints, *size)).astype(np.float32)


def as_set(people):
    """People in an order of their own."""
    return people[np.lexsort(people.reshape(len(people), -1).T)]


def nearest_person(places, visible, size):
    """For each keypoint and pixel the number of the person that is nearest, (K, H, W)."""
    w, h = size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    owners = np.zeros((places.shape[1], h, w), np.int64)
    nearest = np.full(owners.shape, np.inf, np.float32)
    for person, k in np.argwhere(visible):
        px, py = places[person, k]
        squared = (x - np.float32(px)) ** 2 + (y - np.float32(py)) ** 2
        closer = squared < nearest[k]
        owners[k][closer] = person
        nearest[k][closer] = squared[closer]
    return owners


def sample_of_people(image_id, keypoints, scores):
    """What a model gives the metric: people (P, 17, 2) with scores (P,)."""
    sample = PoseDataSample(metainfo=dict(img_id=image_id, id=[]))
    sample.gt_instances = InstanceData()
    sample.pred_instances = InstanceData(
        keypoints=keypoints,
        keypoint_scores=np.tile(scores[:, None], (1, keypoints.shape[1])),
        bbox_scores=scores,
        bboxes=np.zeros((len(scores), 4)),
    )
    return sample.to_dict()


def metric_for(ann_file):
    """The metric of people in generated images."""
    metric = METRICS.build(dict(type="BottomupCocoMetric", ann_file=str(ann_file)))
    metric.dataset_meta = dataset_meta(load_config("swahr_tiny_synthetic"))
    return metric


def figures_of(metric, found):
    """The figures of people: tuples of image id, keypoints and, where they differ, scores."""
    samples = []
    for image_id, keypoints, *scores in found:
        (scores,) = scores or [np.ones(len(keypoints))]
        samples.append(sample_of_people(image_id, keypoints, scores))
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def write_video(path, frames, fourcc="MJPG"):
    """A video of ten frames a second."""
    height, width = frames[0].shape[:2]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), 10, (width, height))
    for frame in frames:
        video.write(frame)
    video.release()


def evaluation_config(ann_file):
    """The tiny config, for a test of the generated images in an annotation file, and no more."""
    config = load_config("swahr_tiny_synthetic")
    config.test_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.test_dataloader.dataset.update(
        data_root=str(ann_file.parent.parent), ann_file=f"annotations/{ann_file.name}"
    )
    config.train_dataloader = config.train_cfg = config.optim_wrapper = None
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.param_scheduler = config.auto_scale_lr = None
    config.randomness = dict(seed=0)
    return config


@contextlib.contextmanager
def without_waiting(device):
    """On a GPU, whatever makes the host wait for it raises an error."""
    if device == "cpu":
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


class HostData(torch.overrides.TorchFunctionMode):
    """Notes tensors that are made from data on the host, which a device would wait for."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in {"tensor", "as_tensor", "from_numpy", "asarray"}:
            self.made.append(func)
        return func(*args, **(kwargs or {}))
