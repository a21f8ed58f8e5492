"""Results of a prediction, one JSON object per line; a killed run resumes from them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..utils.files import check_destination, write_atomically
from .image_stream import ImageFile


@dataclass(frozen=True)
class Output:
    """A file of results, ``NAME.jsonl``, and the files beside it.

    Of several processes, each writes a part of its own, ``NAME.part1.jsonl``, by its rank.
    """

    results: Path
    rank: int = 0
    world_size: int = 1

    @property
    def errors(self) -> Path:
        """A line for each image that could not be used."""
        return self.results.with_suffix(".errors.jsonl")

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
        """Raise an error if there can be no such files: of a folder or a name."""
        check_destination(self.results)
        if self.results.suffix != ".jsonl":
            problem = f"the name has to end in '.jsonl', as in '{self.results.stem}.jsonl'"
        elif re.search(r"\.(errors|part\d+)$", self.results.stem, re.IGNORECASE):
            problem = "files beside the results have such names. Leave out what is after the dot"
        else:
            return
        raise ValueError(f"The results (--out) can't be '{self.results}': {problem}.")


def begin(output: Output, images: Sequence[ImageFile], settings: dict[str, Any]) -> list[ImageFile]:
    """The images that have no result yet; those that earlier runs could not use are among them.

    Raises:
        ValueError: If there are results that were made with other settings, or a file is of
            something else.
    """
    results = (output.results, *output.parts(output.results))
    done = {name for path in results for name, _ in lines_in(path)}
    if done and output.settings.is_file():
        before = _object_in(output.settings.read_bytes())
        for name, value in settings.items():
            if before.get(name) != value:
                raise ValueError(
                    f"'{output.results}' was begun with {name} {before.get(name)!r}, and not "
                    f"{value!r}. Name another file for the results."
                )
    elif output.rank == 0:
        write_atomically(output.settings, f"{json.dumps(settings, indent=2)}\n".encode())
    if output.rank == 0:
        for path in (output.errors, *output.parts(output.errors)):
            for _ in lines_in(path):
                pass  # a file of something else is not removed
            path.unlink(missing_ok=True)
    return [image for image in images if image.name not in done]


def bring_together(output: Output) -> None:
    """Merge what several processes wrote, now or in a run before.

    The whole is replaced once all is written, and the parts are removed then: being killed in
    between loses nothing. Of an image that is in two parts the first stays.
    """
    for whole in (output.results, output.errors):
        parts = output.parts(whole)
        if not parts:
            continue
        known: set[str] = set()
        temporary = whole.with_name(whole.name + ".merging")
        with temporary.open("wb") as merged:
            for part in (whole, *parts):
                for name, line in lines_in(part):
                    if name not in known:
                        known.add(name)
                        merged.write(line)
        os.replace(temporary, whole)
        for part in parts:
            part.unlink()


#: The beginning of each line, which tells a cut-off line of ours from someone else's file.
_BEGINNING = b'{"file": "'


def lines_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """The ``file`` of each whole line, and the line; none where there is no such file.

    Raises:
        ValueError: If a line is no JSON object with a ``file``, or one that is cut off does not
            begin as those do.
    """
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            whole = line.endswith(b"\n")
            if not whole and _BEGINNING.startswith(line[: len(_BEGINNING)]):
                return
            name = _object_in(line).get("file") if whole else None
            if not isinstance(name, str):
                raise ValueError(
                    f"Line {number} of '{path}' is no result. Name another file for the results, "
                    "in another folder if need be, or remove this one."
                )
            yield name, line


def _object_in(text: bytes) -> dict[str, Any]:
    """A JSON object; an empty one where it is anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {}


class Journal:
    """Appends lines to a file that :func:`lines_in` can read, which is opened with the first line.

    The line that was cut off when a writer was killed is removed then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def append(self, record: dict[str, Any]) -> None:
        """Write one line, whose first field is ``file``."""
        if self._file is None:
            self._file = self.path.open("ab+")
            self._file.seek(0)
            self._file.truncate(sum(len(line) for line in self._file if line.endswith(b"\n")))
        # in ASCII: names of files need not be UTF-8, and Unicode has line breaks of its own
        self._file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
