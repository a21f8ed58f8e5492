"""Training and test on real images, which the folder in SWAHR_REAL_DATA holds."""

import json

import numpy as np
import pytest
from mmengine.runner import Runner

from .helpers import load_config
from .test_configs import shrink
from .test_workflows import losses_of

pytestmark = [pytest.mark.slow, pytest.mark.realdata]


def subset(folder, destination, image_ids):
    """An annotation file with some of the training images."""
    content = json.loads((folder / "coco" / "person_keypoints_train.json").read_text())
    keep = set(image_ids)
    content["images"] = [image for image in content["images"] if image["id"] in keep]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in keep]
    destination.write_text(json.dumps(content))
    return destination


def read(config, part, ann_file, images, batch_size=2, **options):
    """Let a part of a config read images, in this process."""
    loader = config[f"{part}_dataloader"]
    loader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
    prefix = dict(img=f"{images}/")
    loader.dataset.update(data_root="", ann_file=str(ann_file), data_prefix=prefix, **options)


def without(config, *parts):
    for part in parts:
        config[f"{part}_dataloader"] = config[f"{part}_cfg"] = None
        config["optim_wrapper" if part == "train" else f"{part}_evaluator"] = None


@pytest.mark.parametrize(
    "name", ["swahr_hrnet_w32_coco", pytest.param("higherhrnet_w32_coco", marks=pytest.mark.long)]
)
def test_official_configs_train_on_real_images(name, real_data, tmp_path):
    """With falling losses; at half the input size, which takes a quarter of the time."""
    config = load_config(name)
    shrink(config, size=256)
    without(config, "test")
    for part in ("train", "val"):
        ann_file = real_data / "coco" / f"person_keypoints_{part}.json"
        read(config, part, ann_file, real_data / "coco" / "images", indices=2)
    config.train_cfg.update(max_epochs=4, val_interval=4)
    config.default_hooks.logger.interval, config.default_hooks.checkpoint.interval = 1, 4
    # the schedule of 300 epochs would be warming up still: its first learning rate throughout
    config.param_scheduler, config.optim_wrapper.optimizer.lr = None, 1e-4
    config.work_dir, config.experiment_name = str(tmp_path / "work"), name
    config.visualizer.name = tmp_path.name
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.message_hub.get_scalar("val/coco/AP").current() >= 0
    losses = losses_of(tmp_path / "work")
    assert len(losses) == 4
    assert np.isfinite(losses).all()
    assert np.mean(losses[2:]) < np.mean(losses[:2])


def multi_person_images(folder, count):
    """Images of two to five people, all of them large and well labelled.

    They are 640 pixels wide and 426 to 428 high, so that they fill 384×256 in training and test:
    a border beyond the image is masked in training, and a network that is shown nothing else may
    see people there.
    """
    content = json.loads((folder / "coco" / "person_keypoints_train.json").read_text())
    people = {}
    for annotation in content["annotations"]:
        people.setdefault(annotation["image_id"], []).append(annotation)
    chosen = []
    for image in content["images"]:
        own = people.get(image["id"], [])
        size = image["width"] * image["height"]
        suits = 2 <= len(own) <= 5 and all(
            not a["iscrowd"] and a["num_keypoints"] >= 8 and a["area"] > 0.03 * size for a in own
        )
        if suits and image["width"] == 640 and 426 <= image["height"] <= 428:
            chosen.append(image["id"])
    return chosen[:count]


def test_a_narrow_network_overfits_real_images(real_data, tmp_path):
    """From random weights to AP 0.8 on the four images that it is trained on."""
    image_ids = multi_person_images(real_data, 4)
    assert len(image_ids) == 4
    file = subset(real_data, tmp_path / "train.json", image_ids)
    config = load_config("swahr_tiny_synthetic")
    iterations = 120
    config.model.test_cfg.flip_test = False  # it is not shown mirrored images
    codec = config.model.head.decoder
    codec.input_size, codec.heatmap_sizes = (384, 256), [(96, 64), (192, 128)]
    affine = dict(type="BottomupUniformAffine", input_size=(384, 256))
    without(config, "test")
    for part in ("train", "val"):
        read(config, part, file, real_data / "coco" / "images", batch_size=4)
    config.train_dataloader.dataset.pipeline = [
        dict(type="LoadImage"),
        # the image as it is in test, not augmented
        dict(affine, rotation=0, scale=(1, 1), translation=0),
        dict(type="GenerateTarget", encoder=codec),
        dict(type="BottomupHeatmapMask"),
        dict(type="BottomupPackInputs"),
    ]
    config.val_dataloader.dataset.pipeline[1].input_size = 256
    config.train_cfg.update(max_iters=iterations, val_interval=iterations)
    config.param_scheduler[1].end = iterations
    config.default_hooks.checkpoint.interval = iterations
    config.default_hooks.checkpoint.pop("save_best", None)
    config.work_dir = str(tmp_path / "work")
    runner = Runner.from_cfg(config)
    runner.train()
    ap = runner.message_hub.get_scalar("val/coco/AP").current()
    print(f"AP on the images trained on: {ap:.3f}")
    assert ap >= 0.8


@pytest.mark.parametrize(
    ("name", "ann_file"),
    [
        ("swahr_hrnet_w32_coco", "coco/person_keypoints_val.json"),
        ("swahr_hrnet_w32_crowdpose", "crowdpose/crowdpose_val.json"),
    ],
)
def test_the_official_test_on_real_images(name, ann_file, real_data, tmp_path):
    """Flip and multi-scale test of a narrow network with random weights."""
    folder = ann_file.partition("/")[0]
    config = load_config(f"{name}_multiscale")
    config.model.backbone = load_config("swahr_tiny_synthetic").model.backbone
    config.model.head.update(in_channels=24, num_basic_blocks=1, norm_cfg=dict(type="BN"))
    without(config, "train", "val")
    read(config, "test", real_data / ann_file, real_data / folder / "images", indices=6)
    config.param_scheduler = config.auto_scale_lr = None
    config.default_hooks.checkpoint.pop("save_best")
    config.work_dir, config.experiment_name = str(tmp_path / "work"), name
    config.visualizer.name = tmp_path.name
    config.test_evaluator.outfile_prefix = str(tmp_path / "found")
    metrics = Runner.from_cfg(config).test()
    assert 0 <= metrics[f"{folder}/AP"] <= 1
    assert (tmp_path / "found.keypoints.json").is_file()
