"""Whether checkpoints fit the model."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .paths import configs_dir

#: How the names of weights begin that take no part in prediction.
TRAINING_BRANCHES = ("head.scale_layers.", "head.weight_layers.")

#: What the configs' names say of the number of keypoints.
_DATASETS = {17: "coco", 14: "crowdpose|aic", 133: "wholebody"}


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
    integers = [
        name
        for name, value in needed.items()
        if name in state_dict and value.is_floating_point() != state_dict[name].is_floating_point()
    ]
    problems = [f"{len(missing)} weights are missing, first {missing[0]}"] if missing else []
    problems += [f"{len(others)} have another shape, first {others[0]}"] if others else []
    if integers:
        problems.append(
            f"{len(integers)} are of another kind, first {integers[0]}, "
            f"{state_dict[integers[0]].dtype} instead of {needed[integers[0]].dtype}"
        )
    if problems:
        raise RuntimeError(
            f"The checkpoint is of another model: {'; '.join(problems)}. "
            f"{_what_it_is(state_dict, prefix)}Use the config that it was trained with "
            "(checkpoints of official SWAHR and HigherHRNet and of MMPose 0.x load too). To start "
            "a training from it set `model.start_from`, which carries keypoints over by their "
            "names, or `model.partial_checkpoint=True`, which takes what fits."
        )


def _what_it_is(state_dict: Mapping[str, Tensor], prefix: str) -> str:
    """Width, keypoints and configs of the network in a state dict, as far as it can be told."""
    coarse = state_dict.get(f"{prefix}head.final_layers.0.weight")
    fine = state_dict.get(f"{prefix}head.final_layers.1.weight")
    if coarse is None or fine is None:
        return ""
    width, num_keypoints = coarse.shape[1], fine.shape[0]
    pattern = re.compile(rf"_w{width}_({_DATASETS.get(num_keypoints, '-')})(_\d+)?$")
    names = [path.stem for path in sorted(configs_dir().glob("*.py")) if pattern.search(path.stem)]
    configs = f", as in {', '.join(names)}" if names else ""
    return f"It is a network of width {width} for {num_keypoints} keypoints{configs}. "
