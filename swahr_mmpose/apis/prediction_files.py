"""The files of a prediction: results, pictures that could not be used, and settings."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..whole_files import write_whole
from .journal import files_in, merge, records_in
from .picture_stream import Picture


@dataclass(frozen=True)
class Output:
    """Where results go.

    Attributes:
        results: One line for each picture with its people.
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
        """One line for each picture that could not be used, of all results in the folder."""
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
            problem = "the pictures that can't be used are listed there. Name another file"
        elif re.search(r"\.part\d+$", self.results.stem):
            problem = "parts of several processes have such names. Leave out the '.part' and number"
        else:
            return
        raise ValueError(f"The results (--out) can't be '{self.results}': {problem}.")

    def share(self, pictures: Sequence[Picture]) -> list[Picture]:
        """This process's part of pictures.

        Examples:
            >>> pictures = [Picture(name, name) for name in ("a.jpg", "b.jpg", "c.jpg")]
            >>> [name for name, _ in Output(Path("r.jsonl"), 0, 2).share(pictures)]
            ['a.jpg', 'c.jpg']
        """
        return list(pictures[self.rank :: self.world_size])


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
        write_whole(output.settings, f"{text}\n".encode())


def still_to_do(pictures: Sequence[Picture], output: Output) -> list[Picture]:
    r"""The pictures that have no result yet, for all processes together.

    Raises:
        ValueError: If a file of results holds something else.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "results.jsonl"))
        ...     _ = output.results.write_text('{"file": "a.jpg"}\n')
        ...     still_to_do([Picture("a.jpg", "a.jpg"), Picture("b.jpg", "b.jpg")], output)
        [Picture(name='b.jpg', path='b.jpg')]
    """
    done: set[str] = set()
    for path in (output.results, *output.parts(output.results)):
        done.update(files_in(path))
    return [picture for picture in pictures if picture.name not in done]


def forget_errors(output: Output) -> None:
    r"""Remove what a run before wrote of pictures that it could not use: they are tried again.

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
            write_whole(path, b"".join(others))


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
