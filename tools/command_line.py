"""Parser, error messages and exit codes of all tools.

``import command_line`` comes before torch, which reads ``OMP_WAIT_POLICY`` when it is loaded.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from typing import Any, Callable

# OpenMP's threads spin while they wait. On a machine that others use too, an image then takes many
# times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows a tool's docstring as it is."""
    return argparse.ArgumentParser(
        description=description,
        epilog="Exit codes: 0 for success, 2 for bad input, 1 for any other failure.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def exit_code(main: Callable[..., Any]) -> Callable[..., int]:
    """Wrap a tool's ``main``: it returns 0, 2 for bad input, or 1 where the system fails."""

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> int:
        try:
            return main(argv) or 0
        except (OSError, RuntimeError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            # a bare OSError is, say, a full disk; bad paths raise its subclasses
            return 1 if type(error) is OSError else 2

    return run
