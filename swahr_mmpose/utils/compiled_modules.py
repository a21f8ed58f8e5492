"""Stand-ins for compiled modules that are not there: mmcv's operators, xtcocotools' masks.

MMPose's and MMDetection's models import all of mmcv's operators, but a network that uses none of
them needs none compiled: the pure wheel ``mmcv-lite`` will do. xtcocotools has wheels up to
Python 3.11 and NumPy 1; its Python files work with later ones.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Callable

from .environment import is_installed


class _NotCompiled(ModuleType):
    """Module whose every function raises when it is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")

        def operator(*_: Any, **__: Any) -> None:
            raise NotImplementedError(
                f"mmcv's operator `{name}` was called, but this mmcv has no compiled operators. "
                "Install the full mmcv in place of mmcv-lite: docs/installation.md says how."
            )

        return operator

    @staticmethod
    def get_compiler_version() -> str:
        """What mmcv's report of the environment shows."""
        return "not compiled"

    get_compiling_cuda_version = get_compiler_version


def stand_in_for_compiled_modules() -> None:
    """Put a stand-in where mmcv or xtcocotools has no compiled module that works.

    Raises:
        ImportError: If what needs mmcv's operators was imported before, and so half of it failed.
    """
    try:
        import_module("xtcocotools._mask")
    except (ImportError, ValueError):  # ValueError: compiled for another NumPy
        # the same functions
        sys.modules["xtcocotools._mask"] = import_module("pycocotools._mask")
    if is_installed("mmcv._ext") or "mmcv.ops" in sys.modules:
        return
    if "mmcv.cnn.bricks.transformer" in sys.modules:
        raise ImportError(
            "the models of MMPose or MMDetection were imported before swahr_mmpose, "
            "and mmcv has no compiled operators. Import swahr_mmpose first, in a new process."
        )
    sys.modules["mmcv._ext"] = _NotCompiled("mmcv._ext")
    try:
        import_module("mmcv.ops")  # all operators: they keep the stand-in
    finally:
        # MMEngine looks here for operators that work
        del sys.modules["mmcv._ext"]
