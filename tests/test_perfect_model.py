"""A perfect model through the complete test path and metric, on real annotations.

What keeps AP from 1.0: keypoints of two people nearer than the NMS window merge, people beyond the
top 30 per keypoint are lost, truncation to map pixels costs small people, and a person of one or
two keypoints has its missing ones filled in somewhere.
"""

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, METRICS

from .helpers import load_config
from .oracle import oracle_model

pytestmark = [pytest.mark.slow, pytest.mark.realdata]

#: Annotations, folder of images and the metric's prefix.
DATA = {
    "coco": ("coco/person_keypoints_val.json", "coco/images/", "coco"),
    "crowdpose": ("crowdpose/crowdpose_val.json", "crowdpose/images/", "crowdpose"),
}


@torch.no_grad()
def average_precision(name, real_data, every, decode=(), **test_cfg):
    """AP on each image of so many."""
    (data,) = (DATA[part] for part in name.split("_") if part in DATA)
    ann_file, images, prefix = data
    config = load_config(name)
    config.model.head.decoder.update(dict(decode))
    dataset_config = config.test_dataloader.dataset
    dataset_config.update(
        data_root=f"{real_data}/", ann_file=ann_file, data_prefix=dict(img=images)
    )
    dataset = DATASETS.build(dataset_config)
    model = oracle_model(config, subpixel=True, **test_cfg)
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    chosen = range(0, len(dataset), every)
    for index in chosen:
        samples = model.test_step(pseudo_collate([dataset[index]]))
        metric.process(None, [sample.to_dict() for sample in samples])
    ap = metric.evaluate(len(chosen))[f"{prefix}/AP"]
    print(f"{name}, {dict(decode)}, {test_cfg}, {len(chosen)} images: AP {ap:.4f}")
    return ap


@pytest.mark.parametrize(
    ("name", "flip_test", "every"),
    [
        # all 300 images once; what costs more than one pass of W32 gets fewer
        ("swahr_hrnet_w32_coco", True, 1),
        ("swahr_hrnet_w32_coco", False, 3),
        ("swahr_hrnet_w48_coco", True, 6),
        ("swahr_hrnet_w32_coco_multiscale", False, 10),
        ("swahr_hrnet_w32_coco_multiscale", True, 6),
        ("swahr_hrnet_w48_coco_multiscale", True, 15),
        # 24 images
        ("swahr_hrnet_w32_crowdpose", False, 1),
        ("swahr_hrnet_w32_crowdpose", True, 1),
        ("swahr_hrnet_w48_crowdpose", True, 1),
        ("swahr_hrnet_w32_crowdpose_multiscale", True, 1),
        ("swahr_hrnet_w48_crowdpose_multiscale", True, 3),
    ],
)
def test_perfect_model(name, flip_test, every, real_data):
    assert average_precision(name, real_data, every, flip_test=flip_test) >= 0.98


@pytest.mark.parametrize(
    "decode",
    [
        dict(decode_grouping="score_first"),
        dict(decode_grouping="score_first", decode_pose_nms_thr=0.9),
    ],
)
def test_perfect_model_with_other_ways_of_reading_people(decode, real_data):
    ap = average_precision("swahr_hrnet_w32_coco", real_data, 3, decode, flip_test=False)
    # pose NMS also takes people for one whose few labelled keypoints coincide
    assert ap >= (0.97 if "decode_pose_nms_thr" in decode else 0.98)
