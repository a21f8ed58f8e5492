"""Checkpoints of other implementations to this package's layout."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis.inference import dataset_meta_from_config
from mmpose.registry import MODELS
from torch import Tensor

from ..utils.config_files import read_config
from ..utils.files import check_destination
from .checks import TRAINING_BRANCHES, check_weights, of_another_kind
from .reading import CheckpointError, read_checkpoint, state_dict_of
from .renaming import ConversionError, identify, rename

#: What an ImageNet classifier has beyond the backbone of a pose network.
_CLASSIFIER = re.compile(r"(incre_modules|downsamp_modules|final_layer|classifier)\.")
#: Its last stage also merges into the coarser branches, which no pose network reads.
_UNUSED_FUSION = re.compile(r"stage4\.\d+\.fuse_layers\.[1-9]\.")


@dataclass(frozen=True)
class Converted:
    """A converted state dict.

    Attributes:
        kind: What the source was recognised as.
        state_dict: Parameters and buffers under this package's names.
        dropped: Keys of the source that have no counterpart.
    """

    kind: str
    state_dict: dict[str, Tensor]
    dropped: list[str]


def convert_state_dict(source: dict[str, Tensor], target: dict[str, Tensor]) -> Converted:
    """Rename the keys of ``source`` to those of ``target``, and check that all shapes agree.

    Args:
        source: A state dict of another implementation.
        target: The state dict of the model, or for a backbone that of the backbone.

    Raises:
        ConversionError: If the source is not recognised, lacks something, has something that
            belongs nowhere, differs in shape or kind, or is not finite.

    Examples:
        >>> backbone = {"conv1.weight": torch.ones(2), "stage4.0.weight": torch.ones(2)}
        >>> converted = convert_state_dict({**backbone, "classifier.bias": torch.ones(5)}, backbone)
        >>> converted.kind, converted.dropped
        ('HRNet backbone', ['classifier.bias'])
    """
    kind = identify(source)
    renamed: dict[str, Tensor] = {}
    dropped, unknown = [], []
    for key, value in source.items():
        name = rename(key, kind)
        if name in target:
            renamed[name] = value
        elif _may_be_dropped(name, kind):
            dropped.append(key)
        else:
            unknown.append(key)
    problems = [
        *_list("not expected by the config", unknown),
        *_list("missing in the checkpoint", _missing(renamed, target, kind)),
        *_list("of another shape or kind", _differences(renamed, target)),
    ]
    if problems:
        raise ConversionError(
            f"The checkpoint ({kind}) does not fit the config: {'; '.join(problems)}. Use the "
            "config of the same method, width and dataset."
        )
    try:
        check_weights(renamed)
    except ValueError as error:
        raise ConversionError(str(error)) from error
    return Converted(kind, renamed, dropped)


def _may_be_dropped(name: str, kind: str) -> bool:
    if kind == "HRNet backbone":
        return bool(_CLASSIFIER.match(name) or _UNUSED_FUSION.match(name))
    # branches of training; HigherHRNet has no use for them
    return kind == "official SWAHR" and name.startswith("head.scale_layers.")


def _missing(renamed: dict[str, Tensor], target: dict[str, Tensor], kind: str) -> list[str]:
    """What the target needs; a baseline has no branches of training, which then start at zero."""
    missing = [key for key in target if key not in renamed]
    if kind in ("official HigherHRNet", "MMPose 0.x"):
        missing = [key for key in missing if not key.startswith(TRAINING_BRANCHES)]
    return missing


def _differences(renamed: dict[str, Tensor], target: dict[str, Tensor]) -> list[str]:
    """Weights that would not fit into the target's, or that are integers where it has fractions."""
    shapes = [
        f"{key} {tuple(value.shape)} instead of {tuple(target[key].shape)}"
        for key, value in renamed.items()
        if value.shape != target[key].shape
    ]
    kinds = [f"{key} {kind}" for key, kind in of_another_kind(renamed, target).items()]
    return shapes + kinds


def _list(problem: str, keys: list[str], most: int = 3) -> list[str]:
    """One phrase that names the first keys, or none."""
    if not keys:
        return []
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return [f"{problem}: {', '.join(keys[:most])}{more}"]


def load_source(path: Path) -> dict[str, Tensor]:
    """The state dict in a checkpoint file, read without unpickling arbitrary objects.

    Raises:
        ConversionError: If the file is missing, damaged, or no checkpoint.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(dict(state_dict={"module.bias": torch.ones(2)}), f"{folder}/a.pth")
        ...     load_source(Path(folder, "a.pth"))
        {'bias': tensor([1., 1.])}
    """
    try:
        return state_dict_of(read_checkpoint(path), path)
    except (FileNotFoundError, CheckpointError) as error:
        raise ConversionError(str(error)) from error


def convert_checkpoint(source: Path, destination: Path, config_file: str | Path) -> Converted:
    """Convert a checkpoint file for a config; nothing is written unless all of it fits.

    The result loads with ``mim test``, ``init_model`` and the inferencer (which take the dataset's
    meta information from it), that of a backbone with ``init_cfg=dict(type='Pretrained', …)``.

    Args:
        source: The file to convert.
        destination: The file to write.
        config_file: Name of one of this package's configs, or path of a config.

    Raises:
        ConversionError: If the source can't be converted, the config can't be read or built, or
            the destination can't be written, or is a file that is read.
    """
    try:
        check_destination(destination, source, Path(config_file))
        config = read_config(config_file, "model.backbone")
    except (FileNotFoundError, ValueError) as error:
        raise ConversionError(str(error)) from error
    state_dict = load_source(source)
    model = _network_of(config, config_file)
    is_backbone = identify(state_dict) == "HRNet backbone"
    target = (model.backbone if is_backbone else model).state_dict()
    converted = convert_state_dict(state_dict, target)
    checkpoint: dict[str, Any] = dict(
        meta=dict(
            dataset_meta=dataset_meta_from_config(config, "test"), converted_from=converted.kind
        ),
        state_dict=converted.state_dict,
    )
    temporary = destination.with_name(destination.name + ".partial")
    try:
        torch.save(checkpoint, temporary)
        os.replace(temporary, destination)
    except (OSError, RuntimeError) as error:
        raise ConversionError(f"'{destination}' can't be written: {error}") from error
    finally:
        if temporary.exists():
            temporary.unlink()
    return converted


def _network_of(config: Config, name: str | Path) -> Any:
    init_default_scope(config.get("default_scope", "mmpose"))
    config.model.backbone.init_cfg = None
    try:
        return MODELS.build(config.model)
    except Exception as error:  # networks raise errors of many kinds
        raise ConversionError(
            f"The `model` of the config '{name}' can't be built: {error}"
        ) from error
