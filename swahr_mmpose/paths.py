"""Where the configs and tools of this package are, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

from .suggestions import nearest

_PACKAGE = Path(__file__).resolve().parent


def _resource_dir(name: str) -> Path:
    """An installed wheel carries the folder in ``.mim``; a checkout has it beside the package."""
    for folder in (_PACKAGE / ".mim" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"The folder '{name}' of swahr_mmpose is neither in {_PACKAGE / '.mim'} nor beside the "
        "package. Install the package again."
    )


def configs_dir() -> Path:
    """The folder with the configs.

    Examples:
        >>> (configs_dir() / "swahr_hrnet_w32_coco.py").is_file()
        True
    """
    return _resource_dir("configs")


def tools_dir() -> Path:
    """The folder with the command-line tools.

    Examples:
        >>> (tools_dir() / "predict.py").is_file()
        True
    """
    return _resource_dir("tools")


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
            f"There is no config '{name}'.{nearest(name, known)} There are: {', '.join(known)}."
        )
    return path


def find_config(config: str | Path) -> Path:
    """The path of a config given by its name or as a path.

    Raises:
        FileNotFoundError: If there is none.

    Examples:
        >>> find_config("swahr_hrnet_w32_coco").name
        'swahr_hrnet_w32_coco.py'
    """
    if Path(config).is_file():
        return Path(config)
    is_name = Path(config).name == str(config)
    if not is_name:
        raise FileNotFoundError(f"There is no config file '{config}'.")
    return config_path(str(config))
