"""Safe loading of checkpoints that MMEngine writes."""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer


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
