"""Checkpoint files that are there whole or not at all, for MMEngine."""

from __future__ import annotations

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..whole_files import PARTIAL, write_whole

#: The name of :class:`AtomicBackend` in ``backend_args``.
ATOMIC = "swahr_atomic"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file of a training with :func:`write_whole`.

    Raises:
        OSError: If it can't be written, with what to do. What was there before is untouched.

    Examples:
        >>> write_atomically(Path("no_such_folder/epoch_1.pth"), b"")
        Traceback (most recent call last):
            ...
        FileNotFoundError: ...'no_such_folder/epoch_1.pth' could not be written, and what was ...
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror}: '{path}' could not be written, and what was saved before is as it "
            "was. Make room (or have less of it kept, `default_hooks.checkpoint.max_keep_ckpts`), "
            "then go on with `--resume`",
        ) from error


def remove_partial_files(folder: Path) -> list[Path]:
    """Remove what a killed process left half-written in a folder; what was removed.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "epoch_1.pth.partial").touch()
        ...     [path.name for path in remove_partial_files(Path(folder))]
        ['epoch_1.pth.partial']
    """
    partial = sorted(folder.glob(f"*{PARTIAL}"))
    for path in partial:
        path.unlink()
    return partial


class AtomicBackend(LocalBackend):
    """MMEngine's backend for local files, writing with :func:`write_atomically`.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     AtomicBackend().put(b"weights", f"{folder}/new/epoch_1.pth")
        ...     Path(folder, "new", "epoch_1.pth").read_bytes()
        b'weights'
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file; its folder is made if missing."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, obj)


register_backend(ATOMIC, AtomicBackend, force=True)


class LaterRemovals(AtomicBackend):
    """Keeps the files that it is to remove until what replaces them is there."""

    def __init__(self) -> None:
        self._outdated: list[Path] = []

    def remove(self, filepath: str | Path) -> None:
        """Note a file for :meth:`remove_outdated`."""
        self._outdated.append(Path(filepath))

    def remove_outdated(self, but: set[str]) -> None:
        """Remove the files noted, less those that were written anew (``but``)."""
        for path in self._outdated:
            if str(path) not in but:
                path.unlink(missing_ok=True)
        self._outdated = []
