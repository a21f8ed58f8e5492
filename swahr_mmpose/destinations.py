"""Whether a file can be written where a tool is told to, before the work for it starts."""

from __future__ import annotations

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
