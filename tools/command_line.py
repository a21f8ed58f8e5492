"""Parser, error messages and exit codes of all tools.

``import command_line`` comes before torch, which reads ``OMP_WAIT_POLICY`` when it is loaded.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from typing import Any, Callable

# OpenMP's threads spin while they wait for one another. On a machine that others use too, an image
# then takes many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows a tool's docstring as it is."""
    return argparse.ArgumentParser(
        description=description,
        epilog="Exits with 0, with 2 where the input can't be used, and with 1 otherwise.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def exit_code(main: Callable[..., Any]) -> Callable[..., int]:
    """Have a tool return 0, or 2 where its input can't be used, or 1 where the system fails."""

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> int:
        try:
            return main(argv) or 0
        except (OSError, RuntimeError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            # such as a full disk; a path that can't be used is an error of a class of its own
            return 1 if type(error) is OSError else 2

    return run
