"""Weights by config name: the package's own, and published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..utils.config_files import configs_dir

#: Weights that the package brings along.
_PACKAGED = Path(__file__).resolve().parents[1] / "weights"

#: A network that finds people in photographs.
_FOR_PHOTOS = "higherhrnet_w32_coco"


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
