"""Training on real images, which the folder in SWAHR_REAL_DATA holds."""

import json

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from .helpers import CONFIGS, build_model, load_config
from .test_workflows import losses_of, mim

pytestmark = [pytest.mark.slow, pytest.mark.realdata]


def subset(folder, destination, name, image_ids):
    """An annotation file with some of the images of another."""
    content = json.loads((folder / "coco" / f"person_keypoints_{name}.json").read_text())
    keep = set(image_ids)
    content["images"] = [image for image in content["images"] if image["id"] in keep]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in keep]
    destination.write_text(json.dumps(content))
    return destination


def first_images(folder, name, count):
    content = json.loads((folder / "coco" / f"person_keypoints_{name}.json").read_text())
    labelled = {a["image_id"] for a in content["annotations"] if a.get("num_keypoints", 0) > 0}
    return [image["id"] for image in content["images"] if image["id"] in labelled][:count]


@pytest.mark.parametrize("name", ["swahr_hrnet_w32_coco", "higherhrnet_w32_coco"])
def test_official_configs_train_on_real_images(name, real_data, tmp_path):
    train = subset(real_data, tmp_path / "train.json", "train", first_images(real_data, "train", 2))
    val = subset(real_data, tmp_path / "val.json", "val", first_images(real_data, "val", 2))
    images = real_data / "coco" / "images"
    options = {
        "model.backbone.init_cfg": "None",
        "train_dataloader.batch_size": 2,
        "train_dataloader.num_workers": 1,
        "train_cfg.max_epochs": 8,
        "train_cfg.val_interval": 8,
        "default_hooks.logger.interval": 1,
        "default_hooks.checkpoint.interval": 8,
        # the schedule of 300 epochs would be warming up still: its first learning rate throughout
        "param_scheduler": "None",
        "optim_wrapper.optimizer.lr": 1e-4,
    }
    for part, file in (("train", train), ("val", val), ("test", val)):
        options[f"{part}_dataloader.dataset.data_root"] = "''"
        options[f"{part}_dataloader.dataset.ann_file"] = file
        options[f"{part}_dataloader.dataset.data_prefix.img"] = f"{images}/"
        options[f"{part}_dataloader.persistent_workers"] = part == "train"
        options[f"{part}_dataloader.num_workers"] = int(part == "train")
    log = mim(
        "train",
        "mmpose",
        CONFIGS / f"{name}.py",
        "--work-dir",
        tmp_path / "work",
        "--cfg-options",
        *(f"{key}={value}" for key, value in options.items()),
        cwd=tmp_path,
    )
    assert "coco/AP" in log
    losses = losses_of(tmp_path / "work")
    assert len(losses) == 8
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


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
    file = subset(real_data, tmp_path / "train.json", "train", image_ids)
    config = load_config("swahr_tiny_synthetic")
    iterations = 120
    config.model.test_cfg.flip_test = False  # it is not shown mirrored images
    codec = config.model.head.decoder
    codec.input_size, codec.heatmap_sizes = (384, 256), [(96, 64), (192, 128)]
    train = config.train_dataloader
    train.update(num_workers=0, persistent_workers=False, batch_size=4)
    train.dataset.pipeline = [
        dict(type="LoadImage"),
        # the image as it is in test, not augmented
        dict(
            type="BottomupUniformAffine",
            input_size=(384, 256),
            rotation=0,
            scale=(1, 1),
            translation=0,
        ),
        dict(type="GenerateTarget", encoder=codec),
        dict(type="BottomupHeatmapMask"),
        dict(type="BottomupPackInputs"),
    ]
    for part in ("train", "val"):
        loader = config[f"{part}_dataloader"]
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root="", ann_file=str(file))
        loader.dataset.data_prefix = dict(img=str(real_data / "coco" / "images") + "/")
    config.val_dataloader.dataset.pipeline[1].input_size = 256
    config.train_cfg.update(max_iters=iterations, val_interval=iterations)
    config.param_scheduler[1].end = iterations
    config.default_hooks.checkpoint.interval = iterations
    config.default_hooks.checkpoint.pop("save_best", None)
    config.test_dataloader = config.test_cfg = config.test_evaluator = None
    config.work_dir = str(tmp_path / "work")
    runner = Runner.from_cfg(config)
    runner.train()
    ap = runner.message_hub.get_scalar("val/coco/AP").current()
    print(f"AP on the images trained on: {ap:.3f}")
    assert ap >= 0.8


@pytest.mark.parametrize(
    ("name", "folder", "num_images"),
    [("swahr_hrnet_w32_coco", "coco", 20), ("swahr_hrnet_w32_crowdpose", "crowdpose", 24)],
)
def test_the_test_command_on_real_images(name, folder, num_images, real_data, tmp_path):
    """Flip and multi-scale test of a narrow network with random weights, through `mim test`."""
    if folder == "coco":
        ann_file = subset(
            real_data, tmp_path / "val.json", "val", first_images(real_data, "val", num_images)
        )
    else:
        ann_file = real_data / "crowdpose" / "crowdpose_val.json"
    config = load_config(f"{name}_multiscale")
    narrow = load_config("swahr_tiny_synthetic").model
    config.model.backbone = narrow.backbone
    config.model.head.update(in_channels=24, num_basic_blocks=1, norm_cfg=dict(type="BN"))
    loader = config.test_dataloader
    loader.update(num_workers=1, batch_size=2)
    loader.dataset.update(
        data_root="",
        ann_file=str(ann_file),
        data_prefix=dict(img=str(real_data / folder / "images") + "/"),
    )
    config.val_dataloader = config.val_evaluator = config.val_cfg = None
    config.train_dataloader = config.train_cfg = config.optim_wrapper = None
    config.param_scheduler = None
    config.default_hooks.checkpoint.pop("save_best")
    config_file = tmp_path / "config.py"
    config.dump(config_file)
    model = build_model(config)
    model.init_weights()
    checkpoint = tmp_path / "random.pth"
    torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    log = mim(
        "test",
        "mmpose",
        config_file,
        "--checkpoint",
        checkpoint,
        "--work-dir",
        tmp_path / "work",
        cwd=tmp_path,
    )
    # two images a batch
    assert f"[{num_images // 2}/{num_images // 2}]" in log
    assert f"{folder}/AP" in log
