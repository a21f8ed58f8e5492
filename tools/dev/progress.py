"""Runs a long command and says every few seconds how far it is, on a terminal or off it."""

from __future__ import annotations

import argparse
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PIP_STEPS = ("Collecting", "Downloading", "Building", "Installing", "Preparing", "Getting")


class CommandError(RuntimeError):
    """A command failed; carries the end of its output."""


def elapsed(start: float) -> str:
    """The time since ``start`` as minutes and seconds."""
    minutes, seconds = divmod(int(time.monotonic() - start), 60)
    return f"{minutes}:{seconds:02d}"


def pip_step(line: str) -> str | None:
    """What pip is doing, for those of its lines that say so."""
    words = line.split()
    if not words or words[0] not in PIP_STEPS:
        return None
    if words[0] == "Downloading" and len(words) > 1:
        words[1] = words[1].rsplit("/", 1)[-1]  # the file, not where it lies
    return " ".join(words)


def run(
    label: str,
    command: list[str],
    describe: Callable[[str], str | None] = pip_step,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    every: float = 10.0,
) -> list[str]:
    """Run a command, and print a line when it starts, each ``every`` seconds, and when it ends.

    Args:
        label: What the command does, in a few words.
        command: The command and its arguments.
        describe: Called with each line of output; what it returns last (unless None) is printed
            with the next line.
        env: The command's environment; this process's by default.
        cwd: The command's folder; this process's by default.
        every: Seconds from one line to the next.

    Returns:
        The lines that the command printed.

    Raises:
        CommandError: The command failed.
    """
    print(label, flush=True)
    start = time.monotonic()
    environment = {**(os.environ if env is None else env), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=cwd,
        encoding="utf-8",
        errors="replace",
    )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    output: list[str] = []
    doing, due = "working", start + every
    try:
        while True:
            try:
                line = lines.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                print(f"  {elapsed(start)}  {doing[:90]}", flush=True)
                due += every
                continue
            if line is None:
                break
            output.append(line)
            doing = describe(line) or doing
        code = process.wait()
    except BaseException:
        process.terminate()
        raise
    if code:
        tail = "\n".join(output[-40:])
        raise CommandError(f"{tail}\n{label}: failed after {elapsed(start)} with code {code}")
    print(f"  {elapsed(start)}  done", flush=True)
    return output


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    """Pass the output on, line by line; None at its end."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(re.sub(r"[\r\n]+$", "", line))
    lines.put(None)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: progress.py 'Installing torch' pip install torch"
    )
    parser.add_argument("label", help="what the command does")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("no command given")
    try:
        run(arguments.label, arguments.command)
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
