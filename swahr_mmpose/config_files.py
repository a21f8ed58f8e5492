"""Configs as tools read them: whatever is wrong with the file, the error names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .paths import find_config


class ConfigError(ValueError):
    """A config that can't be read, or that lacks something."""


def read_config_file(path: str | Path, **options: Any) -> Config:
    """The config in a file.

    Args:
        path: The file.
        options: As for ``Config.fromfile``.

    Raises:
        ConfigError: If it, or one that it inherits, can't be read.

    Examples:
        >>> read_config_file("missing.py")
        Traceback (most recent call last):
            ...
        swahr_mmpose.config_files.ConfigError: The config 'missing.py' can't be read. ...
    """
    try:
        return Config.fromfile(path, **options)
    except (Exception, SystemExit) as error:  # configs are programs, which raise what they like
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"The config '{path}' can't be read. {reason}") from error


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
        swahr_mmpose.config_files.ConfigError: The config 'swahr_tiny_synthetic' has no `model...
    """
    content = read_config_file(find_config(config))
    for key in needed:
        missing = _first_missing(content, key)
        if missing is not None:
            raise ConfigError(f"The config '{config}' has no `{missing}`.")
    return content


def _first_missing(content: Any, key: str) -> str | None:
    """The first part of a dotted key that is not there."""
    names = key.split(".")
    for number, name in enumerate(names, start=1):
        content = content.get(name) if isinstance(content, (Config, Mapping)) else None
        if content is None:
            return ".".join(names[:number])
    return None
