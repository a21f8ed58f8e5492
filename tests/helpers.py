"""What several test files need: golden numbers, official weights, small models and samples."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
GOLDEN = Path(__file__).resolve().parent / "data" / "golden"


def golden(name):
    return np.load(GOLDEN / f"{name}.npz")


def official_weights(name, salt):
    """Random weights in the official layout, by the recipe of the golden numbers."""
    state_dict = {}
    for key, shape in json.loads((GOLDEN / f"keys_{name}.json").read_text()).items():
        rng = np.random.default_rng([zlib.crc32(key.encode()), salt])
        if key.endswith("num_batches_tracked"):
            state_dict[key] = torch.tensor(0)
            continue
        if len(shape) > 1:
            values = rng.normal(0, np.sqrt(1 / np.prod(shape[1:])), shape)
        elif key.endswith("running_var"):
            values = rng.uniform(0.6, 1.4, shape)
        elif key.endswith("running_mean"):
            values = rng.normal(0, 0.1, shape)
        elif key.endswith(".weight"):
            values = rng.uniform(0.3, 0.7, shape)
        else:
            values = rng.normal(0, 0.05, shape)
        state_dict[key] = torch.from_numpy(values.astype(np.float32))
    return state_dict


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
