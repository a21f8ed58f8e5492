"""Safe loading of checkpoints that MMEngine writes, and whether they fit the model."""

from __future__ import annotations

from collections.abc import Mapping
from pickle import UnpicklingError
from typing import Any, Callable

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from torch import Tensor

#: How the names of weights begin that take no part in prediction.
TRAINING_BRANCHES = ("head.scale_layers.", "head.weight_layers.")


def _history_method(owner: Any, name: str) -> Callable[..., Any]:
    """What ``getattr`` in a checkpoint may do: name a public method of MMEngine's loss history.

    A pickled ``HistoryBuffer`` carries its statistics methods, each as a call of ``getattr``. That
    function reaches anything, so it is not allowed itself; this stands in for it.
    """
    if owner is not HistoryBuffer or name.startswith("_"):
        raise UnpicklingError(
            f"The checkpoint asks for the attribute {name!r} of {owner!r}, which only code that "
            "was put there could need. It was not loaded."
        )
    return getattr(HistoryBuffer, name)


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read the types in MMEngine's own checkpoints.

    From torch 2.6 on, checkpoints are read without unpickling arbitrary objects. MMEngine's hold
    loss histories, NumPy arrays and scalars besides tensors; exactly these are allowed, and the
    check stays on.
    """
    dtypes = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + "?efd"}
    allowed: list[Any] = [HistoryBuffer, np.ndarray, np.dtype, *dtypes]
    allowed.append((_history_method, "builtins.getattr"))
    # how arrays and scalars of NumPy are rebuilt
    functions: list[Any] = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
    for function in functions:
        # NumPy 1 calls the module numpy.core, NumPy 2 numpy._core: checkpoints of either load
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            allowed.append((function, f"{module}.{function.__name__}"))
    torch.serialization.add_safe_globals(allowed)


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
            "it was trained with; convert one of another implementation with "
            "tools/convert_checkpoint.py; or set `model.partial_checkpoint=True` to start "
            "training from what fits."
        )
