"""A file of one JSON object per line that survives being killed: nothing is lost or there twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


class Journal:
    """Appends lines, each by one write, so that at most the last one can be cut off.

    A line that was cut off when the writer was killed is removed when the file is opened again.

    Args:
        path: The file; it is made if it is not there.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     journal = Journal(Path(folder, "results.jsonl"))
        ...     journal.append(dict(file="a.jpg"))
        ...     journal.close()
        ...     list(files_in(journal.path))
        ['a.jpg']
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _cut_off_broken_end(self._descriptor)

    def append(self, record: dict[str, Any]) -> None:
        """Write one line."""
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):  # a full disk
            os.truncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(f"'{self.path}' can't be written: the disk is full.")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _cut_off_broken_end(descriptor: int, block: int = 1 << 16) -> None:
    """Remove what follows the last line break."""
    end = os.fstat(descriptor).st_size
    position = end
    while position:
        start = max(0, position - block)
        found = os.pread(descriptor, position - start, start).rfind(b"\n")
        if found >= 0:
            position = start + found + 1
            break
        position = start
    if position != end:
        os.truncate(descriptor, position)


def files_in(path: Path) -> Iterator[str]:
    r"""The ``file`` of each whole line; none where there is no such journal.

    Raises:
        ValueError: If a line is no JSON object with a ``file``.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "results.jsonl")
        ...     _ = path.write_text('{"file": "a.jpg"}\n{"file": "b.j')
        ...     list(files_in(path))
        ['a.jpg']
    """
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)["file"]
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"Line {number} of '{path}' is no result. Name another file for the results, "
                    "or remove this one."
                ) from None


def merge(parts: Sequence[Path], target: Path) -> None:
    r"""Bring the lines of several journals together; of a file that is in two the first stays.

    The target is replaced once all is written, and the parts are removed then: being killed in
    between loses nothing.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     parts = [Path(folder, name) for name in ("part0.jsonl", "part1.jsonl")]
        ...     _ = [part.write_text('{"file": "a.jpg"}\n') for part in parts]
        ...     merge(parts, Path(folder, "results.jsonl"))
        ...     os.listdir(folder), list(files_in(Path(folder, "results.jsonl")))
        (['results.jsonl'], ['a.jpg'])
    """
    known: set[str] = set()
    temporary = target.with_name(target.name + ".merging")
    with temporary.open("wb") as merged:
        for part in [target, *parts]:
            if not part.is_file():
                continue
            with part.open("rb") as lines:
                for name, line in zip(files_in(part), lines):
                    if name not in known:
                        known.add(name)
                        merged.write(line)
    os.replace(temporary, target)
    for part in parts:
        if part.is_file():
            part.unlink()
