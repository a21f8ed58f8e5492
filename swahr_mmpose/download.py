"""Downloading weights once, into torch hub's cache."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_local_rank

#: How published names end: the start of the file's SHA-256, and a date.
_HASH = re.compile(r"-([0-9a-f]{8,64})(?:_\d+)?\.\w+$")


class DownloadError(RuntimeError):
    """Weights that can't be fetched; the message says why and what to do."""


def download(address: str) -> Path:
    """The file at an address, from the cache if it is there; one process of a machine fetches it.

    Args:
        address: ``http://`` or ``https://``. Where the name has a hash, the file is checked
            against it.

    Raises:
        DownloadError: If the file can't be fetched or written, or is not the one of that hash.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    target = folder / Path(urlparse(address).path).name
    problem = _fetch(address, target) if get_local_rank() == 0 else None
    barrier()
    if problem is None and not target.is_file():
        problem = "another process of this machine could not fetch it"
    if problem:
        raise DownloadError(
            f"{address} can't be had: {problem}. Fetch it by other means and put it to '{target}'; "
            "or set the environment variable TORCH_HOME to a folder that can be written to."
        )
    return target


def _fetch(address: str, target: Path) -> str | None:
    """Why the file can't be had; None where it is in its place."""
    match = _HASH.search(target.name)
    expected = match.group(1) if match else None
    try:
        if target.is_file() and expected and not _sha256(target).startswith(expected):
            print(f"'{target}' is damaged, and fetched again.", flush=True)
            target.unlink()
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            print(f"Downloading {address} to {target}", flush=True)
            torch.hub.download_url_to_file(address, str(target), expected)
    except RuntimeError:  # torch's, of a hash that is another
        return f"what came is not the file whose hash begins with {expected}, and was removed"
    except OSError as error:
        return str(error)
    return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()
