"""Requirements of this package, checked against what is installed."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Callable, TypeVar

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

#: Modules in the order in which they have to be there: the versions that work, and the command that
#: installs one of them.
STACK = {
    "torch": (">=2.0", "pip install torch torchvision"),
    "torchvision": (">=0.15", "pip install torch torchvision"),
    "numpy": (">=1.24", "pip install 'numpy>=1.24'"),
    "scipy": (">=1.4", "pip install scipy"),
    "cv2": (">=4.0", "pip install opencv-python"),
    "pycocotools": (">=2.0", "pip install pycocotools"),
    "xtcocotools": (">=1.12", "pip install --no-deps xtcocotools"),
    "mmengine": (">=0.10.0", "pip install 'mmengine>=0.10.7'"),
    "mmcv": (">=2.0.1,<2.4.0", "pip install 'mmcv-lite>=2.1.0,<2.2.0'"),
    "mmdet": (">=3.0.0,<3.6.0", "pip install --no-deps 'mmdet>=3.3.0,<3.4.0'"),
    "mmpose": (">=1.3.0,<2.0.0", "pip install --no-deps 'mmpose>=1.3.2,<1.4.0'"),
}

_OPENMMLAB = ("pycocotools", "xtcocotools", "mmengine", "mmcv", "mmdet", "mmpose")


def is_installed(module: str) -> bool:
    """Whether a module can be found; it is not imported."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # kept from being imported
        return False


def installed_version(module: str) -> str:
    """The version of an installed module, without importing it where its distribution says so.

    Other distributions install the same modules: of the rest, the module itself is asked.
    """
    for name in (module, f"{module}-lite", f"onedl-{module}"):
        with suppress(PackageNotFoundError):
            return version(name)
    return str(getattr(import_module(module), "__version__", "0"))


def problem_with(module: str) -> str | None:
    """What is wrong with a module of the stack, and the fix; None if it will do."""
    versions, command = STACK[module]
    found = installed_version(module) if is_installed(module) else "none"
    try:
        if SpecifierSet(versions).contains(found, prereleases=True):
            return None
    except InvalidVersion:
        pass
    return f"{module}{versions} is needed, but {found} is installed. Run: {command}"


def check_openmmlab() -> None:
    """Raise unless MMPose and what it stands on are there in versions that work.

    Raises:
        ImportError: With what was found, what is needed, and the command to run.
    """
    problems = [problem for problem in map(problem_with, _OPENMMLAB) if problem]
    if problems:
        raise ImportError("\n  ".join(["these packages are not those that it needs:", *problems]))


_Function = TypeVar("_Function", bound=Callable[..., Any])


def not_compiled(function: _Function) -> _Function:
    """Keep ``torch.compile`` out of a function, not out of what it calls (torch ≥ 2.1)."""
    import torch  # only where a function is decorated: this room is for users without torch too

    compiler = getattr(torch, "compiler", None)
    if compiler is None:
        return function
    kept: _Function = compiler.disable(recursive=False)(function)
    return kept
