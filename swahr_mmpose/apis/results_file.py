"""Results of a prediction, one JSON object per line, that a killed run goes on with."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.files import write_atomically
from .image_stream import ImageFile


@dataclass(frozen=True)
class Output:
    """Where results go.

    Attributes:
        results: One line for each image with its people.
        rank: Number of this process among ``world_size``; each writes a file of its own.
        world_size: Number of processes.

    Examples:
        >>> output = Output(Path("results.jsonl"), rank=1, world_size=2)
        >>> output.part(output.results).name, output.settings.name
        ('results.part1.jsonl', 'results.settings.json')
    """

    results: Path
    rank: int = 0
    world_size: int = 1

    @property
    def errors(self) -> Path:
        """One line for each image that could not be used, of all results in the folder."""
        return self.results.with_name("errors.jsonl")

    @property
    def settings(self) -> Path:
        """What the results were made with."""
        return self.results.with_suffix(".settings.json")

    def part(self, path: Path) -> Path:
        """The file that this process writes."""
        if self.world_size == 1:
            return path
        return path.with_suffix(f".part{self.rank}{path.suffix}")

    def parts(self, path: Path) -> list[Path]:
        """The files of all processes, also of a run with another number of them."""
        named = re.compile(rf"{re.escape(path.stem)}\.part\d+{re.escape(path.suffix)}")
        return sorted(file for file in path.parent.iterdir() if named.fullmatch(file.name))

    def check(self) -> None:
        """See that there can be such files, and that they are no other run's.

        Raises:
            FileNotFoundError: If the folder is not there.
            ValueError: If the name of the results is one that can't be used.

        Examples:
            >>> Output(Path("results.json")).check()
            Traceback (most recent call last):
                ...
            ValueError: The results (--out) can't be 'results.json': the name has to end in ...
        """
        if not self.results.parent.is_dir():
            raise FileNotFoundError(f"The folder '{self.results.parent}' is not there. Make it.")
        if self.results.is_dir():
            problem = f"that is a folder. Name a file in it: '{self.results / 'results.jsonl'}'"
        elif self.results.suffix != ".jsonl":
            problem = f"the name has to end in '.jsonl', as in '{self.results.stem}.jsonl'"
        elif self.results.name.lower() == self.errors.name:
            problem = "the images that can't be used are listed there. Name another file"
        elif re.search(r"\.part\d+$", self.results.stem):
            problem = "parts of several processes have such names. Leave out the '.part' and number"
        else:
            return
        raise ValueError(f"The results (--out) can't be '{self.results}': {problem}.")

    def share(self, images: Sequence[ImageFile]) -> list[ImageFile]:
        """This process's part of images.

        Examples:
            >>> images = [ImageFile(name, name) for name in ("a.jpg", "b.jpg", "c.jpg")]
            >>> [name for name, _ in Output(Path("r.jsonl"), 0, 2).share(images)]
            ['a.jpg', 'c.jpg']
        """
        return list(images[self.rank :: self.world_size])


def start_of_sha256(path: str) -> str | None:
    """The first 16 hex digits of a file's SHA-256; None where there is no such file.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.pth").write_bytes(b"weights")
        ...     start_of_sha256(f"{folder}/a.pth")
        '9a129038d9a00aed'
    """
    if not os.path.isfile(path):  # addresses can be too long for Path.is_file
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:16]


def keep_settings(output: Output, settings: dict[str, Any]) -> None:
    """Write down what the results are made with, or compare with what there are results of.

    What an older version did not write down is added, and taken to have been the same.

    Raises:
        ValueError: If results are there that were made with something else.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "results.jsonl"))
        ...     keep_settings(output, dict(flip_test=True))
        ...     json.loads(output.settings.read_text())
        {'flip_test': True}
    """
    before = {}
    results = (output.results, *output.parts(output.results))
    if output.settings.is_file() and any(p.is_file() and p.stat().st_size for p in results):
        before = json.loads(output.settings.read_text(encoding="utf-8"))
        differing = [
            name for name in settings if before.get(name, settings[name]) != settings[name]
        ]
        if differing:
            name = differing[0]
            raise ValueError(
                f"'{output.results}' was begun with {name} {before[name]!r}, and not "
                f"{settings[name]!r}. Name another file for the results."
            )
    if output.rank == 0 and before != {**before, **settings}:
        text = json.dumps({**before, **settings}, indent=2)
        write_atomically(output.settings, f"{text}\n".encode())


def still_to_do(images: Sequence[ImageFile], output: Output) -> list[ImageFile]:
    r"""The images that have no result yet, for all processes together.

    Raises:
        ValueError: If a file of results holds something else.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "results.jsonl"))
        ...     _ = output.results.write_text('{"file": "a.jpg"}\n')
        ...     still_to_do([ImageFile("a.jpg", "a.jpg"), ImageFile("b.jpg", "b.jpg")], output)
        [ImageFile(name='b.jpg', path='b.jpg')]
    """
    done: set[str] = set()
    for path in (output.results, *output.parts(output.results)):
        done.update(files_in(path))
    return [image for image in images if image.name not in done]


def forget_errors(output: Output) -> None:
    r"""Remove what a run before wrote of images that it could not use: they are tried again.

    Lines of other results in the folder stay. Those that don't say whose they are, as older
    versions wrote them, are taken for this one's.

    Raises:
        ValueError: If the list of errors is a file of something else.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "a.jsonl"))
        ...     _ = output.errors.write_text(
        ...         '{"file": "1.jpg", "results": "a.jsonl"}\n'
        ...         '{"file": "2.jpg", "results": "b.jsonl"}\n'
        ...     )
        ...     forget_errors(output)
        ...     list(files_in(output.errors))
        ['2.jpg']
    """
    own = output.results.name
    for path in (output.errors, *output.parts(output.errors)):
        lines = list(records_in(path))
        others = [line for line, record in lines if record.get("results", own) != own]
        if not others:
            path.unlink(missing_ok=True)
        elif len(others) < len(lines):
            write_atomically(path, b"".join(others))


def bring_together(output: Output) -> None:
    r"""Merge what several processes wrote, now or in a run before.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "results.jsonl"), rank=1, world_size=2)
        ...     _ = output.part(output.results).write_text('{"file": "a.jpg"}\n')
        ...     bring_together(output)
        ...     list(files_in(output.results))
        ['a.jpg']
    """
    for path in (output.results, output.errors):
        if output.parts(path):
            merge(output.parts(path), path)


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
