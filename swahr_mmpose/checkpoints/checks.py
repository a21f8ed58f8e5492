"""Whether checkpoints fit the model."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from ..utils.config_files import configs_dir

#: How the names of weights begin that take no part in prediction.
TRAINING_BRANCHES = ("head.scale_layers.", "head.weight_layers.")

#: What the configs' names say of the width, and of the number of keypoints.
_BACKBONES = {24: "tiny", 32: "w32", 48: "w48"}
_DATASETS = {17: "coco|synthetic", 14: "crowdpose|aic", 133: "wholebody"}


def check_fits(
    state_dict: Mapping[str, Tensor], model_state: Mapping[str, Tensor], prefix: str = ""
) -> None:
    """Raise unless a state dict has all weights that prediction needs, in their shapes.

    MMEngine skips what is missing or of another shape with a warning, so that a test of the wrong
    checkpoint would print nonsense.

    Args:
        state_dict: What is to be loaded.
        model_state: The model's own state.
        prefix: What comes before the model's names in ``state_dict``.

    Raises:
        RuntimeError: If it is of another model.

    Examples:
        >>> import torch
        >>> check_fits({}, {"head.final_layers.0.weight": torch.ones(34, 32, 1, 1)})
        Traceback (most recent call last):
            ...
        RuntimeError: The checkpoint is of another model: missing weights: 1, first ...
    """
    needed = {
        f"{prefix}{name}": value
        for name, value in model_state.items()
        if not name.startswith(TRAINING_BRANCHES)
    }
    missing = [name for name in needed if name not in state_dict]
    others = [
        f"{name} is {tuple(state_dict[name].shape)}, not {tuple(value.shape)}"
        for name, value in needed.items()
        if name in state_dict and state_dict[name].shape != value.shape
    ]
    kinds = of_another_kind(state_dict, needed)
    problems = [f"missing weights: {len(missing)}, first {missing[0]}"] if missing else []
    problems += [f"weights of another shape: {len(others)}, first {others[0]}"] if others else []
    for name, kind in list(kinds.items())[:1]:
        problems.append(f"weights of another kind: {len(kinds)}, first {name}, {kind}")
    if problems:
        raise RuntimeError(
            f"The checkpoint is of another model: {'; '.join(problems)}. "
            f"{_what_it_is(state_dict, prefix)}Use the config that it was trained with "
            "(checkpoints of official SWAHR and HigherHRNet and of MMPose 0.x load too). To start "
            "a training from it set `model.start_from`, which carries keypoints over by their "
            "names, or `model.partial_checkpoint=True`, which takes what fits."
        )


def of_another_kind(
    state_dict: Mapping[str, Tensor], needed: Mapping[str, Tensor]
) -> dict[str, str]:
    """By name what is wrong with integers in place of fractions, and the other way round.

    Args:
        state_dict: What is to be loaded.
        needed: The weights that it should fit; those that are missing are no matter here.

    Examples:
        >>> import torch
        >>> of_another_kind({"bias": torch.tensor([1])}, needed={"bias": torch.tensor([1.0])})
        {'bias': 'torch.int64 instead of torch.float32'}
    """
    return {
        name: f"{state_dict[name].dtype} instead of {value.dtype}"
        for name, value in needed.items()
        if name in state_dict and value.is_floating_point() != state_dict[name].is_floating_point()
    }


def not_finite(state_dict: Mapping[str, Tensor]) -> list[str]:
    """The names of weights that hold NaN or infinity.

    Examples:
        >>> import torch
        >>> not_finite({"weight": torch.ones(2), "bias": torch.tensor([1.0, float("nan")])})
        ['bias']
    """
    return [
        name
        for name, value in state_dict.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]


def check_weights(state_dict: Mapping[str, Tensor], prefix: str = "") -> None:
    """Raise a ValueError if weights that are to be loaded hold NaN or infinity.

    Args:
        state_dict: What is to be loaded.
        prefix: What the names of the weights begin with.

    Examples:
        >>> import torch
        >>> check_weights({"weight": torch.ones(2)}, "")
    """
    broken = [name for name in not_finite(state_dict) if name.startswith(prefix)]
    if broken:
        raise ValueError(
            f"The checkpoint holds NaN or infinity in {len(broken)} tensors, first {broken[0]}: "
            "the training that made it had diverged. Use an earlier one."
        )


def _what_it_is(state_dict: Mapping[str, Tensor], prefix: str) -> str:
    """Width, keypoints and configs of the network in a state dict, as far as it can be told."""
    coarse = state_dict.get(f"{prefix}head.final_layers.0.weight")
    fine = state_dict.get(f"{prefix}head.final_layers.1.weight")
    if coarse is None or fine is None:
        return ""
    width, num_keypoints = coarse.shape[1], fine.shape[0]
    backbone, datasets = _BACKBONES.get(width, "-"), _DATASETS.get(num_keypoints, "-")
    pattern = re.compile(rf"_{backbone}_({datasets})(_\d+)?$")
    names = [path.stem for path in sorted(configs_dir().glob("*.py")) if pattern.search(path.stem)]
    configs = f", as in {', '.join(names)}" if names else ""
    return f"It is a network of width {width} for {num_keypoints} keypoints{configs}. "
