"""One comparison of `tools/benchmark.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: What is measured.
        ours: Runs ours once.
        other: Runs the counterpart once.
        other_name: What the counterpart is.
        count: Things that one run does: times are for one of them.
        memory: Whether a GPU's memory is to be measured too.
        rate: Whether to say how many a second are done.
    """

    name: str
    ours: Callable[[], Any]
    other: Callable[[], Any]
    other_name: str
    count: int = 1
    memory: bool = False
    rate: bool = False
