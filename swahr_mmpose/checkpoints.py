"""Safe loading of checkpoints that MMEngine writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer


def _numpy_reconstruct() -> Any:
    """NumPy's array constructor, under the name by which checkpoints of its version know it."""
    return np.zeros(1).__reduce__()[0]


def _numpy_scalar() -> Any:
    return np.float64(0).__reduce__()[0]


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read the types in MMEngine's own checkpoints.

    From torch 2.6 on, checkpoints are read without unpickling arbitrary objects. MMEngine's hold
    loss histories, NumPy arrays and scalars besides tensors; exactly these are allowed, and the
    check stays on.
    """
    reconstruct, scalar = _numpy_reconstruct(), _numpy_scalar()
    dtypes = {type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8", "u8", "b1")}
    allowed: list[Any] = [HistoryBuffer, np.ndarray, np.dtype, reconstruct, scalar, *dtypes]
    for function in (reconstruct, scalar):
        # NumPy 1 calls the module numpy.core, NumPy 2 numpy._core: checkpoints of either load
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            allowed.append((function, f"{module}.{function.__name__}"))
    torch.serialization.add_safe_globals(allowed)
