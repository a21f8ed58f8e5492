"""Errors as text: in one printable line, and with the step of a pipeline that raised them."""

from __future__ import annotations

from collections.abc import Iterable
from traceback import walk_tb
from typing import Any


def printable(text: object) -> str:
    """Text for a terminal, which control characters in names of files could command."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in str(text))


def reason_of(error: Exception | str) -> str:
    """What an error says, in one printable line."""
    return " ".join(printable(error).split()) or type(error).__name__


def failed_step(error: Exception, steps: Iterable[Any]) -> str:
    """The step of a pipeline that raised an error, with its class and message."""
    inner = [frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__)]
    names = [type(step).__name__ for step in steps if any(step is own for own in inner)]
    return f"`{(names or ['the pipeline'])[0]}` raised {type(error).__name__}: {error}"
