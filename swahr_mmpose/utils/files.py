"""Atomic file writes, destinations and names of files to write, and hashes of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def check_destination(path: Path, *inputs: Path) -> None:
    """Check that a file can be written, and replaces none that is read.

    Args:
        path: The file to write.
        inputs: Files that the same command reads.

    Raises:
        FileNotFoundError: If its folder is not there.
        ValueError: If it is a folder itself, or one of the files that are read.

    Examples:
        >>> check_destination(Path("out.json"), Path("in.json"))
        >>> check_destination(Path("in.json"), Path("in.json"))
        Traceback (most recent call last):
            ...
        ValueError: 'in.json' is read, and would be replaced. Name another file to write.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"The folder '{path.parent}' of the file to write is not there. Make it, or name "
            "another."
        )
    if path.is_dir():
        raise ValueError(f"'{path}' is a folder. Name the file to write.")
    # links lead to the same file, by another name
    if any(path.resolve() == own.resolve() for own in inputs):
        raise ValueError(f"'{path}' is read, and would be replaced. Name another file to write.")


#: Suffix of files that are being written.
PARTIAL = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, and move it there once the disk has all of it.

    Raises:
        OSError: If it can't be written. What was there before is untouched.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(Path(folder, "results.json"), b"{}")
        ...     os.listdir(folder)
        ['results.json']
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(
            error.errno,
            f"{error.strerror}: '{path}' could not be written, and what was saved before is as it "
            "was",
        ) from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the disk know the new name, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's content, in hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


class UniqueNames:
    """Gives each file a unique stem, with a number where it is taken.

    Examples:
        >>> unique = UniqueNames()
        >>> [unique(name) for name in ("a.jpg", "a.png", "b.jpg", "a.jpg")]
        ['a.jpg', 'a_1.png', 'b.jpg', 'a_2.jpg']
    """

    def __init__(self) -> None:
        self._stems: set[str] = set()

    def __call__(self, name: str) -> str:
        """The name to use in place of this one."""
        path = Path(name)
        stem, number = path.stem, 0
        while stem in self._stems:
            number += 1
            stem = f"{path.stem}_{number}"
        self._stems.add(stem)
        return stem + path.suffix
