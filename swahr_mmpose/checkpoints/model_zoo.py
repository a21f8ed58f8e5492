"""Weights by config name: the package's own, and published ones."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml

from ..utils.config_files import configs_dir

#: Weights that the package brings along.
_PACKAGED = Path(__file__).resolve().parents[1] / "weights"

#: A network that finds people in photographs.
_FOR_PHOTOS = "swahr_hrnet_w32_coco"

#: How published names end: the start of the file's SHA-256, and a date.
_HASH = re.compile(r"-([0-9a-f]{8,64})(?:_\d+)?\.\w+$")

#: A date, which users end names with too.
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


def models() -> dict[str, dict[str, Any]]:
    """The entries of the metafiles by name.

    Examples:
        >>> models()["higherhrnet_w32_coco"]["Results"][0]["Metrics"]["AP"]
        0.677
    """
    entries: dict[str, dict[str, Any]] = {}
    for path in sorted((configs_dir() / "metafiles").glob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["Models"]:
            entries[model["Name"]] = model
    return entries


def hash_in(name: str) -> str | None:
    """The start of the SHA-256 that a published file has in its name; None if there is none.

    Examples:
        >>> hash_in("higher_hrnet32-8ae85183_20200713.pth"), hash_in("mine-20240131.pth")
        ('8ae85183', None)
    """
    match = _HASH.search(name)
    return match.group(1) if match and not _DATE.fullmatch(match.group(1)) else None


def place_in_cache(address: str) -> str:
    """Where the file of an address is kept, in torch hub's folder of checkpoints.

    A published name, which has a hash, says which file it is: it is kept where torch hub keeps it.
    Others, such as ``epoch_300.pth``, are kept in a folder for their address.
    """
    name = urlparse(address).path.rpartition("/")[2]
    folder = hashlib.sha256(address.encode(errors="replace")).hexdigest()[:8]
    return name if hash_in(name) else f"{folder}/{name}"


def packaged_weights(name: str) -> Path | None:
    """The file that comes with the package for a config; None if there is none."""
    path = _PACKAGED / f"{name}.pth"
    return path if path.is_file() else None


def weights_of(name: str) -> str | None:
    """Path or address of the weights for a config; None if there are none.

    Examples:
        >>> weights_of("higherhrnet_w32_coco").rsplit("/", 1)[1]
        'higher_hrnet32_coco_512x512-8ae85183_20200713.pth'
    """
    packaged = packaged_weights(name)
    if packaged:
        return str(packaged)
    address: str | None = models().get(name, {}).get("Weights")
    return address


def weights_for(config: Path) -> str:
    """Path or address of the weights for a config's file; logs where they know drawn people only.

    Raises:
        ValueError: If there are none, or it is no config of this package.

    Examples:
        >>> weights_for(configs_dir() / "higherhrnet_w32_coco.py").rsplit("/", 1)[1]
        'higher_hrnet32_coco_512x512-8ae85183_20200713.pth'
    """
    weights = weights_of(config.stem) if config.resolve().parent == configs_dir() else None
    if weights is None:
        known = sorted(name for name in models() if weights_of(name))
        raise ValueError(
            f"There are no weights for '{config.stem}' yet. Give the path or address of a "
            f"checkpoint, or use a config that has some: {', '.join(known)}."
        )
    if models()[config.stem]["Metadata"]["Training Data"] == "drawn people":
        # names are for those without MMEngine too; it logs a warning once
        from mmengine.logging import print_log

        message = f"'{config.stem}' only knows drawn people. For photographs, use '{_FOR_PHOTOS}'."
        print_log(message, logger="current", level=30)
    return weights
