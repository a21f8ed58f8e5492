"""A file of one JSON object per line that survives being killed: nothing is lost or there twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: How lines begin: what a cut-off one is known by, in a file that may be someone else's.
_BEGINNING = b'{"file": "'


class Journal:
    """Appends lines, each by one write, so that at most the last one can be cut off.

    A line that was cut off when the writer was killed is removed when the file is opened again.

    Args:
        path: The file; it is made if it is not there.

    Raises:
        ValueError: If what follows its last line break is no line of a journal.

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
        try:
            _cut_off_broken_end(self._descriptor, path)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, record: dict[str, Any]) -> None:
        """Write one line, whose first field is ``file``."""
        # in ASCII: names of files need not be UTF-8, and Unicode has line breaks of its own
        line = json.dumps(record).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):  # a full disk
            os.truncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(f"'{self.path}' can't be written: the disk is full.")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _cut_off_broken_end(descriptor: int, path: Path, block: int = 1 << 16) -> None:
    """Remove what follows the last line break, if it is the beginning of a line of ours."""
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
        if not _is_ours(os.pread(descriptor, len(_BEGINNING), position)):
            raise _no_result("The last line", path)
        os.truncate(descriptor, position)


def _is_ours(cut_off: bytes) -> bool:
    """Whether a line without its end is one of a journal, as far as it goes."""
    return _BEGINNING.startswith(cut_off[: len(_BEGINNING)])


def _no_result(line: str, path: Path) -> ValueError:
    return ValueError(
        f"{line} of '{path}' is no result. Name another file for the results, in another folder "
        "if need be, or remove this one."
    )


def files_in(path: Path) -> Iterator[str]:
    r"""The ``file`` of each whole line; none where there is no such journal.

    Raises:
        ValueError: If a line is no JSON object with a ``file``, or one that is cut off does not
            begin as those do.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "results.jsonl")
        ...     _ = path.write_text('{"file": "a.jpg"}\n{"file": "b.j')
        ...     list(files_in(path))
        ['a.jpg']
    """
    for _, record in records_in(path):
        yield record["file"]


def records_in(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    r"""Each whole line as it is, and what it says; none where there is no such journal.

    Raises:
        ValueError: As :func:`files_in`.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "errors.jsonl")
        ...     _ = path.write_bytes(b'{"file": "a.jpg", "error": "empty"}\n')
        ...     [record["error"] for _, record in records_in(path)]
        ['empty']
    """
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            whole = line.endswith(b"\n")
            if not whole and _is_ours(line):
                return
            try:
                record = json.loads(line) if whole else None
            except ValueError:
                record = None
            if not isinstance(record, dict) or "file" not in record:
                raise _no_result(f"Line {number}", path)
            yield line, record


def merge(parts: Sequence[Path], target: Path) -> None:
    r"""Bring the lines of several journals together; of a file that is in two the first stays.

    Lines that name different ``results`` are of different runs, and all stay.

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
    known: set[tuple[Any, str]] = set()
    temporary = target.with_name(target.name + ".merging")
    with temporary.open("wb") as merged:
        for part in [target, *parts]:
            for line, record in records_in(part):
                key = (record.get("results"), record["file"])
                if key not in known:
                    known.add(key)
                    merged.write(line)
    os.replace(temporary, target)
    for part in parts:
        if part.is_file():
            part.unlink()
