"""Conversion of other implementations' checkpoints for a config of this package."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import torch
from mmpose.apis.inference import dataset_meta_from_config, init_model

from ..utils.config_files import ConfigError, read_config
from ..utils.files import check_destination, write_atomically
from .checks import check_state_dict
from .reading import CheckpointError, read_checkpoint, state_dict_of
from .renaming import LAYOUTS, other_network, rename_weights


class Converted(NamedTuple):
    """The layout that was found, and names of the weights that were kept and dropped."""

    layout: str
    kept: list[str]
    dropped: list[str]


def convert_checkpoint(source: Path, destination: Path, config_file: str | Path) -> Converted:
    """Convert a checkpoint file for a config, given by name or path; the result says its dataset.

    Raises:
        CheckpointError: If the source can't be read, is of no known layout or does not fit.
        OSError, ValueError: If the config can't be read or built, or the destination written.
            In any case nothing is written.
    """
    check_destination(destination, source, Path(config_file))
    config = read_config(config_file, "model.backbone")
    weights = state_dict_of(read_checkpoint(source), source)
    layout = rename_weights(weights)
    if layout is None:
        raise CheckpointError(
            f"'{source}' is of no layout that is converted: {', '.join(x.name for x in LAYOUTS)}. "
            f"{other_network(weights)}A checkpoint of MMPose 1.x or of this package loads as it "
            "is. So does an ImageNet HRNet of PyTorch, in `model.backbone.init_cfg`. The first "
            f"weights of the file are {list(weights)[:3]}."
        )
    try:
        expected = init_model(config, device="cpu").state_dict()
    except Exception as error:  # networks raise errors of many kinds
        raise ConfigError(f"The model of config '{config_file}' can't be built: {error}") from error
    check_state_dict(weights, expected)
    kept = {name: value for name, value in weights.items() if name in expected}
    meta = dict(dataset_meta=dataset_meta_from_config(config, "test"), converted_from=layout)
    content = io.BytesIO()
    torch.save(dict(meta=meta, state_dict=kept), content)
    write_atomically(destination, content.getvalue())
    return Converted(layout, list(kept), [name for name in weights if name not in kept])
