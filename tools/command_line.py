"""Parser, error messages and exit codes of all tools.

``import command_line`` comes before torch, which reads ``OMP_WAIT_POLICY`` when it is loaded.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from pathlib import Path
from typing import Any, Callable, TextIO

# OpenMP's threads spin while they wait. On a machine that others use too, an image then takes many
# times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that shows a tool's docstring as it is."""
    return argparse.ArgumentParser(
        description=description,
        epilog="Exit codes: 0 for success, 1 for problems found, 2 for bad input, 3 where the\n"
        "system fails, such as a full disk.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def say(text: object, file: TextIO | None = None) -> None:
    """Print a line; names of files in it can't command the terminal."""
    from swahr_mmpose.utils.errors import printable  # not sooner: it imports torch

    print(printable(text), file=file, flush=True)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, at once as a whole.

    Raises:
        ValueError: If a number is NaN or infinite, which JSON does not have.
    """
    from swahr_mmpose.utils.files import write_atomically

    try:
        text = json.dumps(content, allow_nan=False)
    except ValueError as error:
        raise ValueError(
            f"'{path}' can't be written: a number is NaN or infinite, which JSON does not have. "
            "Fix it in the file that is read."
        ) from error
    write_atomically(path, text.encode())


def exit_code(main: Callable[..., Any]) -> Callable[..., int]:
    """Wrap a tool's ``main``: it returns its own code, 2 for bad input, 3 for a failing system."""

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> int:
        try:
            return main(argv) or 0
        except (OSError, RuntimeError, ValueError) as error:
            say(f"error: {error}", sys.stderr)
            # a bare OSError is, say, a full disk; bad paths raise its subclasses
            return 3 if type(error) is OSError else 2

    return run
