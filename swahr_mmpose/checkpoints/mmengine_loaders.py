"""MMEngine's checkpoint loaders, all served by the one safe reader."""

from __future__ import annotations

import io
import re
from typing import Any

from mmengine import fileio
from mmengine.runner.checkpoint import (
    CheckpointLoader,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from .download import download
from .reading import CheckpointError, read_checkpoint

#: Prefixes of names, and MMEngine's lists of them.
_LISTS = {
    "torchvision://": get_torchvision_models,
    "modelzoo://": get_torchvision_models,
    "open-mmlab://": get_external_models,
    "openmmlab://": get_external_models,
    "mmcls://": get_mmcls_models,
}

#: Storages, for MMEngine's file backends; ``pavi://`` has none, and is refused.
_STORAGES = [r"(\S+\:)?s3://", r"(\S+\:)?petrel://", "pavi://"]


def listed_address(name: str) -> str:
    """The address that a name such as ``open-mmlab://msra/hrnetv2_w18`` stands for.

    Raises:
        CheckpointError: If MMEngine knows no such name.

    Examples:
        >>> listed_address("open-mmlab://msra/hrnetv2_w18").rsplit("/", 1)[1]
        'hrnetv2_w18-00eb2006.pth'
    """
    match = re.match(r"[\w-]+://", name)
    assert match
    known = _LISTS[match.group()]()
    short = name[match.end() :]
    if match.group() in ("open-mmlab://", "openmmlab://"):
        short = get_deprecated_model_names().get(short, short)
    if short not in known:
        raise CheckpointError(
            f"MMEngine has no weights called '{name}'. Give the path or address of a file."
        )
    return str(known[short])


def _read(source: Any, map_location: Any, name: str | None = None) -> Any:
    """A checkpoint without its configs: programs, which MMEngine would run."""
    content = read_checkpoint(source, map_location, name)
    hub = content.get("message_hub") if isinstance(content, dict) else None
    for owner, part in ((content, "meta"), (hub, "runtime_info")):
        values = owner.get(part) if isinstance(owner, dict) else None
        if isinstance(values, dict):
            values.pop("cfg", None)
            values.pop("config", None)
    return content


def read_safely_in_mmengine() -> None:
    """Have MMEngine read checkpoints with :func:`read_checkpoint`, whatever its version.

    ``init_model``, inferencers, ``init_cfg``, ``load_from`` and ``--resume`` all load this way.
    MMEngine's own readers check files only where torch does by default, and downloads never.
    """

    # MMEngine logs what comes after `load_from_`
    def load_from_local(filename: str, map_location: Any = None) -> Any:
        return _read(filename, map_location)

    def load_from_http(filename: str, map_location: Any = None) -> Any:
        return _read(download(filename), map_location)

    def load_from_list(filename: str, map_location: Any = None) -> Any:
        checkpoint = load_from_http(listed_address(filename), map_location)
        if not filename.startswith("mmcls://"):
            return checkpoint
        # of a classifier, only the backbone is wanted
        weights = checkpoint.get("state_dict", checkpoint)
        prefix = "backbone."
        own = {key[len(prefix) :]: weights[key] for key in weights if key.startswith(prefix)}
        return dict(state_dict=own)

    def load_from_storage(filename: str, map_location: Any = None) -> Any:
        try:
            content = fileio.get(filename)
        except Exception as error:  # storages raise errors of many kinds
            raise CheckpointError(
                f"'{filename}' can't be read from its storage ({type(error).__name__}: {error}). "
                "Fetch the file, and give its path."
            ) from error
        return _read(io.BytesIO(content), map_location, filename)

    CheckpointLoader.register_scheme("", load_from_local, force=True)
    CheckpointLoader.register_scheme(["http://", "https://"], load_from_http, force=True)
    CheckpointLoader.register_scheme(list(_LISTS), load_from_list, force=True)
    CheckpointLoader.register_scheme(_STORAGES, load_from_storage, force=True)
