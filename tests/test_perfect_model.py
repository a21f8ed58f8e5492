"""A perfect model through the complete test path and metric, on real annotations.

What keeps AP from 1.0: keypoints of two people nearer than the NMS window merge, people beyond the
top 30 per keypoint are lost, truncation to map pixels costs small people, and a person of one or
two keypoints has its missing ones filled in somewhere.
"""

import json

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, METRICS

from .helpers import load_config
from .oracle import oracle_model

pytestmark = [pytest.mark.slow, pytest.mark.realdata]


@torch.no_grad()
def average_precision(name, ann_file, images, prefix, num_images, **test_cfg):
    config = load_config(name)
    dataset_config = config.test_dataloader.dataset
    dataset_config.update(
        data_root="", ann_file=str(ann_file), data_prefix=dict(img=f"{images}/"), indices=num_images
    )
    dataset = DATASETS.build(dataset_config)
    model = oracle_model(config, subpixel=True, **test_cfg)
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    for packed in dataset:
        samples = model.test_step(pseudo_collate([packed]))
        metric.process(None, [sample.to_dict() for sample in samples])
    return metric.evaluate(len(dataset))[f"{prefix}/AP"]


def part_of(file, destination, num_images):
    """The first images of an annotation file."""
    content = json.loads(file.read_text())
    content["images"] = content["images"][:num_images]
    keep = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in keep]
    destination.write_text(json.dumps(content))
    return destination


@pytest.mark.parametrize(
    ("name", "flip_test", "num_images"),
    [
        ("swahr_hrnet_w32_coco", False, 300),
        ("swahr_hrnet_w48_coco", False, 300),
        ("swahr_hrnet_w32_coco", True, 100),
        ("swahr_hrnet_w48_coco", True, 100),
        ("swahr_hrnet_w32_coco_multiscale", False, 40),
        ("swahr_hrnet_w48_coco_multiscale", True, 40),
    ],
)
def test_perfect_model_on_coco(name, flip_test, num_images, real_data, tmp_path):
    file = real_data / "coco" / "person_keypoints_val.json"
    file = part_of(file, tmp_path / "val.json", num_images)
    ap = average_precision(
        name, file, real_data / "coco" / "images", "coco", None, flip_test=flip_test
    )
    print(f"{name}, flip {flip_test}, {num_images} images: AP {ap:.4f}")
    assert ap >= 0.98


@pytest.mark.parametrize("name", ["swahr_hrnet_w32_crowdpose", "swahr_hrnet_w48_crowdpose"])
@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("multiscale", ["", "_multiscale"])
def test_perfect_model_on_crowdpose(name, flip_test, multiscale, real_data):
    ap = average_precision(
        f"{name}{multiscale}",
        real_data / "crowdpose" / "crowdpose_val.json",
        real_data / "crowdpose" / "images",
        "crowdpose",
        None,
        flip_test=flip_test,
    )
    print(f"{name}{multiscale}, flip {flip_test}: AP {ap:.4f}")
    assert ap >= 0.98
