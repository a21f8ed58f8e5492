"""Reads checkpoints, also PaddlePaddle's, without running code in them, with any torch."""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Callable

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer

#: From 2.6 on ``torch.load`` itself takes names for what it may rebuild.
_TORCH_CHECKS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)

#: NumPy's codes of numbers and text: no objects, no fields.
_PLAIN_DTYPE = re.compile(r"[?biufcSU]\d{0,9}")


class CheckpointError(RuntimeError):
    """A checkpoint that can't be used; the message says why and what to do.

    Examples:
        >>> state_dict_of(dict(epoch=3), "a.pth")
        Traceback (most recent call last):
            ...
        swahr_mmpose.checkpoints.reading.CheckpointError: 'a.pth' holds no state dict: a dict of ...
    """


class _Dtype:
    """What ``numpy.dtype`` in a checkpoint may be: that of numbers or text."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"It holds a NumPy array of the type {code!r}.")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array rebuilt from a checkpoint: what it is to hold is checked first.

    NumPy's own would take raw bytes for pointers to objects. Saved again, it is an ordinary array.
    """

    def __new__(cls) -> _Array:
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


def _from_buffer(content: Any, dtype: _Dtype, shape: Any, order: str) -> _Array:
    """Stands for NumPy's ``_frombuffer``, which protocol 5 calls."""
    array = _Array()
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
_ALLOWED: dict[str, Any] = {
    "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
    "builtins.getattr": _history_method,
    # old pickles call it where there are none
    "builtins.bytes": lambda: b"",
    "builtins.frozenset": frozenset,
    "numpy.ndarray": _NameOnly,
    "numpy.dtype": _Dtype,
    # the state that follows fills the array
    **{f"numpy.{core}.multiarray._reconstruct": lambda *_: _Array() for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
}


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read the types in MMEngine's own checkpoints.

    From torch 2.6 on, checkpoints are read without unpickling arbitrary objects. MMEngine's hold
    loss histories, NumPy arrays and scalars besides tensors; exactly these are allowed, and the
    check stays on. Older versions of torch know no such list: see :func:`read_checkpoint`.
    """
    if _TORCH_CHECKS:
        named = [(value, name) for name, value in _ALLOWED.items()]
        torch.serialization.add_safe_globals([*named, _Array])


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


class _Unpickler(pickle._Unpickler):
    """Rebuilds tensors, plain values and what MMEngine saves; refuses everything else by name.

    It is the one in Python: the one in C takes as much memory for its table as a file says.
    """

    dispatch = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: _load_bytearray,
        pickle.BUILD[0]: _load_state,
    }

    def find_class(self, module: str, name: str) -> Any:
        known = {**_TENSORS, **_ALLOWED}
        # protocols below 4 write Python 2's names
        path = f"{module}.{name}".replace("__builtin__.", "builtins.")
        if path not in known:
            raise pickle.UnpicklingError(f"It asks for {path}.")
        return known[path]


#: As torch takes it in place of the module ``pickle``.
_PICKLE = SimpleNamespace(
    __name__="swahr_mmpose",
    Unpickler=_Unpickler,
    load=lambda file, **options: _Unpickler(file, **options).load(),
)


#: The number that torch's older files begin with; pickles without it are PaddlePaddle's.
_TORCH_PICKLE = b"l\xfc\x9cF\xf9 j\xa8P\x19."

#: Keys of PaddlePaddle's files that are no weights: names of variables, and which arrays are cut.
_PADDLE_NAMES, _PADDLE_SLICES = "StructuredToParameterName@@", "UnpackBigParamInfor@@"


def _read_paddle(file: BinaryIO, device: Any) -> dict[str, torch.Tensor]:
    """The weights in a ``.pdparams`` file: a pickled dict of NumPy arrays, some in slices."""
    content = _Unpickler(file).load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError(f"It holds a {type(content).__name__}, not a dict of weights.")
    content.pop(_PADDLE_NAMES, None)
    for name, parts in content.pop(_PADDLE_SLICES, {}).items():
        whole = np.concatenate([content.pop(part) for part in parts["slices"]])
        content[name] = whole.reshape(parts["OriginShape"])
    for name, value in content.items():
        # bfloat16 is saved as uint16
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fib":
            kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise pickle.UnpicklingError(f"It holds {name!r} of the type {kind}, no weight.")
        # `ascontiguousarray` would give numbers a dimension; a copy can be written to
        native = value.astype(value.dtype.newbyteorder("="), order="C")
        content[name] = torch.from_numpy(native.view(np.ndarray)).to(device)
    return content


def _reason(error: Exception, name: str | None) -> str:
    """Why a file can't be read; what it asked for is in our message, or torch's."""
    if str(name).endswith((".pdmodel", ".pdiparams")):
        return "it is of an exported network of PaddlePaddle. Give the `.pdparams` of its training."
    if not isinstance(error, pickle.UnpicklingError) or "truncated" in str(error):
        return f"it is damaged, incomplete or of another kind ({type(error).__name__})."
    message = str(error)
    named = re.search(r"GLOBAL (\S+) was not an allowed global", message)
    if named:
        message = f"It asks for {named.group(1)}."
    # torch goes on with other advice
    refused = "" if "weights_only" in message else message.partition("\n")[0] + " "
    return (
        "it holds objects other than tensors and plain values, which could run code, or it is no "
        f"checkpoint. {refused}If you trust it, load it where it was made, and save its "
        "`state_dict` alone."
    )


def read_checkpoint(
    source: str | Path | BinaryIO, map_location: Any = "cpu", name: str | None = None
) -> Any:
    """The content of a checkpoint, read without unpickling arbitrary objects.

    Args:
        source: The file, by its path or opened.
        map_location: As for ``torch.load``.
        name: What errors call the file, if not by its path.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged, no checkpoint, or holds what could run code.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(dict(meta=dict(epoch=3), state_dict={}), f"{folder}/a.pth")
        ...     read_checkpoint(f"{folder}/a.pth")["meta"]
        {'epoch': 3}
    """
    if isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"There is no file '{path}'.")
        with path.open("rb") as file:
            return read_checkpoint(file, map_location, name or str(path))
    options: dict[str, Any] = dict(weights_only=True)
    if not _TORCH_CHECKS:
        _refuse_programs(source, name)
        # our check in place of torch's, which does not know MMEngine's types
        options = dict(weights_only=False, pickle_module=_PICKLE)
    head = source.read(32)
    source.seek(0)
    try:
        if head.startswith(b"PK\3\4"):
            _check_sums(source)
        if head.startswith(b"\x80") and _TORCH_PICKLE not in head:
            is_device = isinstance(map_location, (str, torch.device))
            content: Any = _read_paddle(source, map_location if is_device else "cpu")
        else:
            content = torch.load(source, map_location=map_location, **options)
    except Exception as error:  # on bytes that are no checkpoint the reader fails in any way
        raise CheckpointError(
            f"'{name}' can't be read as a checkpoint of tensors: {_reason(error, name)}"
        ) from error
    if isinstance(content, dict):
        _check_content(content, name)
    return content


def _check_sums(file: BinaryIO) -> None:
    """Raise where the bytes of an archive are not those of its checksums, which torch ignores."""
    archive = zipfile.ZipFile(file)
    # `torch.serialization.set_crc32_options(False)` leaves them out
    has_sums = any(member.CRC for member in archive.infolist())
    if has_sums and archive.testzip():
        raise zipfile.BadZipFile
    file.seek(0)


def _refuse_programs(file: BinaryIO, name: str | None) -> None:
    """Raise for an archive of TorchScript, which older versions of torch run when they load it."""
    try:
        names = torch._C.PyTorchFileReader(file).get_all_records()
    except RuntimeError:  # of the older kind, or no checkpoint
        names = []
    file.seek(0)
    if "constants.pkl" in names:
        raise CheckpointError(
            f"'{name}' is a TorchScript archive, which holds a program. Load it with "
            "`torch.jit.load` where it is trusted, and save its `state_dict`."
        )


def _check_content(content: dict[Any, Any], name: str | None) -> None:
    """Raise for a checkpoint, or a bare state dict, that loaders would trip over."""
    for key in ("meta", "state_dict"):
        value = content.get(key, {})
        if value is None:
            # loaders would look into it
            del content[key]
        elif not isinstance(value, dict):
            raise CheckpointError(
                f"'{name}' has a `{key}` that is not a dict but a {type(value).__name__}."
            )
    for key, value in content.get("state_dict", content).items():
        if isinstance(value, torch.Tensor) and not isinstance(key, str):
            raise CheckpointError(
                f"'{name}' has a weight whose name is not text but a {type(key).__name__}: it "
                "holds no state dict."
            )


def state_dict_of(checkpoint: Any, name: str | Path) -> dict[str, torch.Tensor]:
    """The state dict in what was read from a checkpoint, without a ``DataParallel``'s prefix.

    Args:
        checkpoint: A checkpoint of MMEngine or PyTorch, or a bare state dict.
        name: Its file, for messages.

    Raises:
        CheckpointError: If there is none in it.

    Examples:
        >>> state_dict_of(dict(state_dict={"module.bias": torch.ones(2)}), "a.pth")
        {'bias': tensor([1., 1.])}
    """
    state_dict = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not state_dict or not all(isinstance(value, torch.Tensor) for value in state_dict.values()):
        raise CheckpointError(f"'{name}' holds no state dict: a dict of names to tensors.")
    wrapper = "module."
    return {
        key[len(wrapper) :] if key.startswith(wrapper) else key: value
        for key, value in state_dict.items()
    }
