"""Configs by name or path, and the folders of configs and tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import did_you_mean

if TYPE_CHECKING:
    from mmengine.config import Config

_PACKAGE = Path(__file__).resolve().parents[1]


class ConfigError(ValueError):
    """A config that can't be read, or that lacks something."""


def configs_dir() -> Path:
    """The folder with the configs."""
    return _resource_dir("configs")


def tools_dir() -> Path:
    """The folder with the command-line tools."""
    return _resource_dir("tools")


def _resource_dir(name: str) -> Path:
    """An installed wheel carries the folder in ``.mim``; a checkout has it beside the package."""
    for folder in (_PACKAGE / ".mim" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"The folder '{name}' of swahr_mmpose is neither in {_PACKAGE / '.mim'} nor beside the "
        "package. Install the package again."
    )


def config_path(name: str) -> Path:
    """The path of a config by its name, with or without ``.py``.

    Raises:
        FileNotFoundError: If there is none; the message lists those that there are.

    Examples:
        >>> config_path("swahr_hrnet_w32_coco").name
        'swahr_hrnet_w32_coco.py'
    """
    path = configs_dir() / f"{name[:-3] if name.endswith('.py') else name}.py"
    if not path.is_file():
        known = sorted(config.stem for config in configs_dir().glob("*.py"))
        raise FileNotFoundError(
            f"There is no config '{name}'.{did_you_mean(name, known)} There are: "
            f"{', '.join(known)}."
        )
    return path


def find_config(config: str | Path) -> Path:
    """The path of a config given by its name or as a path.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(config)
    if path.is_file():
        return path
    if path.name != str(config):
        raise FileNotFoundError(f"There is no config file '{config}'.")
    return config_path(path.name)


def read_config(config: str | Path, *needed: str) -> Config:
    """A config by its name or path.

    Args:
        config: Name of one of this package's configs, or path of a config.
        needed: Dotted keys that it must have.

    Raises:
        FileNotFoundError: If there is no such config.
        ConfigError: If it, or one that it inherits, can't be read, or a key is missing.

    Examples:
        >>> read_config("swahr_tiny_synthetic", "model.backbone").model.backbone.type
        'HRNet'
        >>> read_config("swahr_tiny_synthetic", "model.teacher")
        Traceback (most recent call last):
            ...
        swahr_mmpose.utils.config_files.ConfigError: The config 'swahr_tiny_synthetic' has no ...
    """
    content = read_config_file(find_config(config))
    for key in needed:
        missing = _first_missing(content, key)
        if missing is not None:
            raise ConfigError(f"The config '{config}' has no `{missing}`.")
    return content


def read_config_file(path: str | Path, **options: Any) -> Config:
    """The config in a file.

    Args:
        path: The file.
        options: As for ``Config.fromfile``.

    Raises:
        ConfigError: If it, or one that it inherits, can't be read.
    """
    # MMEngine is imported where a config is read: paths are for those without it too
    from mmengine.config import Config

    try:
        return Config.fromfile(path, **options)
    except (Exception, SystemExit) as error:  # configs are programs, which raise what they like
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"The config '{path}' can't be read. {reason}") from error


def _first_missing(content: Any, key: str) -> str | None:
    """The first part of a dotted key that is not there."""
    names = key.split(".")
    for number, name in enumerate(names, start=1):
        content = content.get(name) if hasattr(content, "get") else None
        if content is None:
            return ".".join(names[:number])
    return None
