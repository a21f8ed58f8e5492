"""Checks that a network can use weights, and that they are finite."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..utils.config_files import configs_dir
from .reading import CheckpointError
from .renaming import other_network

#: Prefixes of weights that take no part in prediction.
TRAINING_BRANCHES = ("head.scale_layers.", "head.weight_layers.")

#: Parts of config names, by width and by number of keypoints.
_BACKBONES = {24: "tiny", 32: "w32", 48: "w48"}
_DATASETS = {17: "coco|synthetic", 14: "crowdpose|aic", 133: "wholebody"}


def check_state_dict(
    state_dict: Mapping[str, Any],
    expected: Mapping[str, Tensor],
    prefix: str = "",
    partial: bool = False,
) -> None:
    """Raise unless a state dict has all weights that prediction needs, and a network can use them.

    MMEngine skips what is missing or of another shape with a warning, and torch copies integers
    into fractions, so that a test of the wrong checkpoint would print nonsense. Batch
    normalisation's ``num_batches_tracked`` and whole branches of training may be missing.

    Args:
        state_dict: What is to be loaded.
        expected: The network's own state, or tensors of the same shapes and kinds.
        prefix: What comes before the names of ``expected`` in ``state_dict``.
        partial: Whether weights may be missing, though not all, or of other shapes.

    Raises:
        CheckpointError: If weights are missing, of another shape or kind, no dense tensors, or hold
            NaN or infinity.

    Examples:
        >>> check_state_dict({}, {"head.final_layers.0.weight": torch.ones(34, 32, 1, 1)})
        Traceback (most recent call last):
            ...
        swahr_mmpose.checkpoints.reading.CheckpointError: The checkpoint is of another model: ...
    """
    pairs = {
        f"{prefix}{name}": (state_dict[f"{prefix}{name}"], own)
        for name, own in expected.items()
        if f"{prefix}{name}" in state_dict
    }
    unusable = [f"{name} {_fault(*pair)}" for name, pair in pairs.items() if _fault(*pair)]
    others = [
        f"{name} is {tuple(value.shape)}, not {tuple(own.shape)}"
        for name, (value, own) in pairs.items()
        if isinstance(value, Tensor) and value.shape != own.shape
    ]
    problems = _first("weights that can't be used", unusable)
    if not (partial and pairs):
        problems += _first("missing weights", _missing(state_dict, expected, prefix))
        problems += _first("weights of another shape", others)
    if problems:
        raise CheckpointError(
            f"The checkpoint is of another model: {'; '.join(problems)}. "
            f"{_what_it_is(state_dict, prefix)}Use the config that it was trained with "
            "(official SWAHR and HigherHRNet, MMPose 0.x and PaddleDetection load too). To start a "
            "training from it set `model.start_from`, which carries keypoints over by their "
            "names, or `model.partial_checkpoint=True`, which takes what fits."
        )
    broken = not_finite({n: value for n, (value, own) in pairs.items() if value.shape == own.shape})
    if broken:
        raise CheckpointError(
            f"The checkpoint holds NaN or infinity in {len(broken)} tensors, first {broken[0]}: "
            "the training that made it had diverged. Use an earlier one."
        )


def _fault(value: Any, own: Tensor) -> str | None:
    """Why a value can't be copied into the network's own weight, its shape aside."""
    if not isinstance(value, Tensor):
        return f"is not a tensor but a {type(value).__name__}"
    if value.is_meta:
        return "holds no numbers: it was saved from the meta device"
    if value.layout != torch.strided:
        return f"is sparse ({value.layout})"
    is_tiny_float = value.is_floating_point() and value.element_size() == 1
    if value.is_floating_point() != own.is_floating_point() or is_tiny_float:
        return f"is {value.dtype} instead of {own.dtype}"
    return None


def _missing(
    state_dict: Mapping[str, Any], expected: Mapping[str, Tensor], prefix: str
) -> list[str]:
    """The names that are missing, but for those that may be."""
    absent = tuple(
        branch
        for branch in TRAINING_BRANCHES
        if not any(name.startswith(prefix + branch) for name in state_dict)
    )
    return [
        f"{prefix}{name}"
        for name in expected
        if f"{prefix}{name}" not in state_dict
        and not name.startswith(absent)
        and not name.endswith(".num_batches_tracked")
    ]


def _first(what: str, problems: list[str]) -> list[str]:
    """One phrase for all problems of a kind, or none."""
    return [f"{what}: {len(problems)}, first {problems[0]}"] if problems else []


def not_finite(state_dict: Mapping[str, Tensor]) -> list[str]:
    """The names of weights that hold NaN or infinity.

    Examples:
        >>> not_finite({"weight": torch.ones(2), "bias": torch.tensor([1.0, float("nan")])})
        ['bias']
    """
    return [
        name
        for name, value in state_dict.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]


def _what_it_is(state_dict: Mapping[str, Any], prefix: str) -> str:
    """Width, keypoints and configs of the network in a state dict, as far as it can be told."""
    layers: list[Any] = [
        state_dict.get(f"{prefix}head.final_layers.{level}.weight") for level in (0, 1)
    ]
    if not all(isinstance(layer, Tensor) and layer.dim() == 4 for layer in layers):
        return other_network(state_dict)
    width, num_keypoints = layers[0].shape[1], layers[1].shape[0]
    backbone, datasets = _BACKBONES.get(width, "-"), _DATASETS.get(num_keypoints, "-")
    pattern = re.compile(rf"_{backbone}_({datasets})(_\d+)?$")
    names = [path.stem for path in sorted(configs_dir().glob("*.py")) if pattern.search(path.stem)]
    configs = f", as in {', '.join(names)}" if names else ""
    return f"It is a network of width {width} for {num_keypoints} keypoints{configs}. "
