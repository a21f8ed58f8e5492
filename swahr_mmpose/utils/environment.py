"""Requirements of this package, what is installed, and how to fix the difference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Callable, TypeVar


@dataclass(frozen=True)
class Requirement:
    """A package of the stack.

    Attributes:
        module: What is imported.
        lowest: The first version that works.
        below: The first version that does not; None where none is known.
        install: What to type to get one that works.
    """

    module: str
    lowest: str
    below: str | None
    install: str


#: In the order in which they have to be there.
OPENMMLAB = (
    Requirement("mmengine", "0.10.0", None, "mim install 'mmengine>=0.10.7'"),
    Requirement("mmcv", "2.0.1", "2.3.0", "mim install 'mmcv>=2.1.0,<2.2.0'"),
    Requirement("mmdet", "3.0.0", "3.4.0", "mim install 'mmdet>=3.3.0,<3.4.0'"),
    Requirement("mmpose", "1.3.0", "2.0.0", "mim install 'mmpose>=1.3.2,<1.4.0'"),
)


def is_installed(module: str) -> bool:
    """Whether a module can be found; it is not imported.

    Examples:
        >>> is_installed("numpy"), is_installed("no_such_package")
        (True, False)
    """
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # kept from being imported
        return False


def installed_version(module: str) -> str:
    """The version of an installed module, without importing it where its distribution says so.

    Forks install the same modules under other names of distribution: those are asked themselves.
    """
    try:
        return version(module)
    except PackageNotFoundError:
        return str(getattr(import_module(module), "__version__", "0"))


def problem_with(requirement: Requirement) -> str | None:
    """What is wrong with a package of the stack, and the fix; None if it will do.

    Examples:
        >>> problem_with(Requirement("no_such", "1.0", None, "pip install no_such"))
        'no_such 1.0 or newer is needed, and it is not installed. Run: pip install no_such'
    """
    module, lowest, below = requirement.module, requirement.lowest, requirement.below
    needed = f"{module} {lowest} or newer" + (f", older than {below}," if below else "")
    if not is_installed(module):
        return f"{needed} is needed, and it is not installed. Run: {requirement.install}"
    found = installed_version(module)
    if _parts(found) < _parts(lowest) or (below and _parts(found) >= _parts(below)):
        return f"{needed} is needed, but {found} is installed. Run: {requirement.install}"
    return None


def check_openmmlab() -> None:
    """Raise unless MMPose and what it stands on are there in versions that work.

    Raises:
        ImportError: With what was found, what is needed, and the command to run.
    """
    problems = [problem for problem in map(problem_with, OPENMMLAB) if problem]
    if problems:
        lines = "\n  ".join(problems)
        raise ImportError(f"swahr_mmpose does not work with what is installed:\n  {lines}")


def _parts(text: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version: (2, 1, 0) of '2.1.0rc1+cpu'."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)


_Function = TypeVar("_Function", bound=Callable[..., Any])


def not_compiled(function: _Function) -> _Function:
    """Keep ``torch.compile`` out of a function, not out of what it calls (torch ≥ 2.1)."""
    import torch  # only where a function is decorated: this room is for users without torch too

    compiler = getattr(torch, "compiler", None)
    if compiler is None:
        return function
    kept: _Function = compiler.disable(recursive=False)(function)
    return kept
