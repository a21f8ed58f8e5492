"""What differs between the versions of Python and torch that this package runs with."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import torch

_Function = TypeVar("_Function", bound=Callable[..., Any])


def not_compiled(function: _Function) -> _Function:
    """Keep ``torch.compile`` out of a function, not out of what it calls (torch ≥ 2.1)."""
    compiler = getattr(torch, "compiler", None)
    if compiler is None:
        return function
    kept: _Function = compiler.disable(recursive=False)(function)
    return kept
