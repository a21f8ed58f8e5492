"""A restricted unpickler: tensors, NumPy arrays, plain values, and what MMEngine saves.

Everything else in a pickle is refused by its name, so that none runs code.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, Callable

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer

#: NumPy's codes of numbers and text: no objects, no fields.
_PLAIN_DTYPE = re.compile(r"[?biufcSU]\d{0,9}")


class _Dtype:
    """What ``numpy.dtype`` in a checkpoint may be: that of numbers or text."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"It holds a NumPy array of the type {code!r}.")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class PlainArray(np.ndarray):
    """An array rebuilt from a checkpoint: what it is to hold is checked first.

    NumPy's own would take raw bytes for pointers to objects. Saved again, it is an ordinary array.
    """

    def __new__(cls) -> PlainArray:
        """Make an empty one, for the state that follows."""
        return super().__new__(cls, 0, np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, dtype, is_fortran, content = state
        expected = dtype.dtype.itemsize
        for side in shape:
            expected *= side
        if not isinstance(content, bytes) or len(content) != expected or min(shape, default=0) < 0:
            raise pickle.UnpicklingError("It holds a NumPy array that does not fit its shape.")
        super().__setstate__((version, shape, dtype.dtype, is_fortran, content))

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()


class _NameOnly:
    """Stands for ``numpy.ndarray``, which checkpoints name and need not call."""

    def __new__(cls, *_: Any, **__: Any) -> _NameOnly:
        raise pickle.UnpicklingError("It builds a NumPy array in a way that none is saved in.")


def _from_buffer(content: Any, dtype: _Dtype, shape: Any, order: str) -> PlainArray:
    """Stands for NumPy's ``_frombuffer``, which protocol 5 calls."""
    array = PlainArray()
    content = bytes(content) if isinstance(content, bytearray) else content
    array.__setstate__((1, shape, dtype, order == "F", content))
    return array


def _scalar(dtype: _Dtype, content: bytes) -> Any:
    """Stands for NumPy's ``scalar``."""
    if len(content) != dtype.dtype.itemsize:
        raise pickle.UnpicklingError("It holds a NumPy number that does not fit its type.")
    return np.frombuffer(content, dtype.dtype)[0] if content else dtype.dtype.type()


def _history_method(owner: Any, name: str) -> Callable[..., Any]:
    """What ``getattr`` in a checkpoint may do: name a public method of MMEngine's loss history.

    A pickled ``HistoryBuffer`` carries its statistics methods, each as a call of ``getattr``. That
    function reaches anything, so it is not allowed itself; this stands in for it.
    """
    if owner is not HistoryBuffer or name.startswith("_"):
        raise pickle.UnpicklingError(
            f"The checkpoint asks for the attribute {name!r} of {owner!r}, which only code that "
            "was put there could need. It was not loaded."
        )
    return getattr(HistoryBuffer, name)


#: What MMEngine's own checkpoints hold besides tensors and plain values, by name. NumPy 1 calls its
#: module ``numpy.core``, NumPy 2 ``numpy._core``: checkpoints of either load.
ALLOWED: dict[str, Any] = {
    "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
    "builtins.getattr": _history_method,
    # old pickles call it where there are none
    "builtins.bytes": lambda: b"",
    "builtins.frozenset": frozenset,
    "numpy.ndarray": _NameOnly,
    "numpy.dtype": _Dtype,
    # the state that follows fills the array
    **{
        f"numpy.{core}.multiarray._reconstruct": lambda *_: PlainArray()
        for core in ("core", "_core")
    },
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
}


#: What tensors are rebuilt with, for versions of torch without a check that knows MMEngine's types.
_TENSORS: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    "torch.Size": torch.Size,
    "torch.device": torch.device,
    # how Python writes bytes into the pickles of torch
    "_codecs.encode": lambda text, encoding: text.encode("latin1"),
    "builtins.set": set,
    **{str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)},
}


def _load_bytearray(unpickler: Any) -> None:
    """Reads before it takes the memory that a file says."""
    (size,) = struct.unpack("<Q", unpickler.read(8))
    unpickler.append(bytearray(unpickler.read(size)))


def _load_state(unpickler: Any) -> None:
    """Sets the state of new objects only: all of the process share functions and classes."""
    if callable(unpickler.stack[-2]):
        raise pickle.UnpicklingError("It changes a function or a class.")
    pickle._Unpickler.load_build(unpickler)  # type: ignore[attr-defined]


class Unpickler(pickle._Unpickler):
    """Rebuilds tensors, plain values and what MMEngine saves; refuses everything else by name.

    It is the one in Python: the one in C takes as much memory for its table as a file says.
    """

    dispatch = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: _load_bytearray,
        pickle.BUILD[0]: _load_state,
    }

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for, if it is allowed."""
        known = {**_TENSORS, **ALLOWED}
        # protocols below 4 write Python 2's names
        path = f"{module}.{name}".replace("__builtin__.", "builtins.")
        if path not in known:
            raise pickle.UnpicklingError(f"It asks for {path}.")
        return known[path]


#: As torch takes it in place of the module ``pickle``.
PICKLE_MODULE = SimpleNamespace(
    __name__="swahr_mmpose",
    Unpickler=Unpickler,
    load=lambda file, **options: Unpickler(file, **options).load(),
)
