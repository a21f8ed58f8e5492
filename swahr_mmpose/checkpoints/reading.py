"""Reads checkpoints, also PaddlePaddle's, without running code in them, with any torch."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from .unpickling import ALLOWED, PICKLE_MODULE, PlainArray, Unpickler

#: From 2.6 on ``torch.load`` itself takes names for what it may rebuild.
_TORCH_CHECKS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)


class CheckpointError(RuntimeError):
    """A checkpoint that can't be used; the message says why and what to do.

    Examples:
        >>> state_dict_of(dict(epoch=3), "a.pth")
        Traceback (most recent call last):
            ...
        swahr_mmpose.checkpoints.reading.CheckpointError: 'a.pth' holds no state dict: a dict of ...
    """


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read the types in MMEngine's own checkpoints.

    From torch 2.6 on, checkpoints are read without unpickling arbitrary objects. MMEngine's hold
    loss histories, NumPy arrays and scalars besides tensors; exactly these are allowed, and the
    check stays on. Older versions of torch know no such list: see :func:`read_checkpoint`.
    """
    if _TORCH_CHECKS:
        named = [(value, name) for name, value in ALLOWED.items()]
        torch.serialization.add_safe_globals([*named, PlainArray])


#: The number that torch's older files begin with; pickles without it are PaddlePaddle's.
_TORCH_PICKLE = b"l\xfc\x9cF\xf9 j\xa8P\x19."

#: Keys of PaddlePaddle's files that are no weights: names of variables, and which arrays are cut.
_PADDLE_NAMES, _PADDLE_SLICES = "StructuredToParameterName@@", "UnpackBigParamInfor@@"


def _read_paddle(file: BinaryIO, device: Any) -> dict[str, torch.Tensor]:
    """The weights in a ``.pdparams`` file: a pickled dict of NumPy arrays, some in slices."""
    content = Unpickler(file).load()
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
        options = dict(weights_only=False, pickle_module=PICKLE_MODULE)
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
