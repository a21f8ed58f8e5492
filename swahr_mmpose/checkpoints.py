"""Whether checkpoints fit the model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

#: How the names of weights begin that take no part in prediction.
TRAINING_BRANCHES = ("head.scale_layers.", "head.weight_layers.")


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
    problems = [f"{len(missing)} weights are missing, first {missing[0]}"] if missing else []
    problems += [f"{len(others)} have another shape, first {others[0]}"] if others else []
    if problems:
        raise RuntimeError(
            f"The checkpoint is of another model: {'; '.join(problems)}. Use the config that "
            "it was trained with (checkpoints of official SWAHR and HigherHRNet and of MMPose "
            "0.x load too); or set `model.partial_checkpoint=True` to start training from what "
            "fits."
        )
