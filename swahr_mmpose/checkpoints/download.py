"""Downloads of weights, once each, into torch hub's cache."""

from __future__ import annotations

import os
import socket
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank, is_distributed

from ..utils.files import sha256_of
from .model_zoo import hash_in, place_in_cache
from .reading import CheckpointError, read_checkpoint

#: Seconds that a connection may be silent.
_TIMEOUT = 60

#: Held by the thread that downloads; others of this process then find the file in its place.
_LOCK = Lock()


class DownloadError(CheckpointError):
    """Weights that can't be fetched; the message says why and what to do."""


def download(address: str) -> Path:
    """The file at an address, from the cache if it is there; one process of a machine fetches it.

    Args:
        address: ``http://`` or ``https://``. Where the name has a hash, the file is checked
            against it.

    Raises:
        DownloadError: If the file can't be fetched or written, is not the one of that hash, or has
            none and is no checkpoint. Nothing of it is kept.
    """
    target = cached_file(address)
    fetches = _fetches()
    with _LOCK:
        problem = _fetch(address, target) if fetches else None
    barrier()
    if not (fetches or _is_whole(target)):
        problem = "another process of this machine could not fetch it"
    if problem:
        raise DownloadError(
            f"{address} can't be had: {problem.rstrip('.')}. Nothing was kept. Fetch it by other "
            f"means and put it to '{target}', or give its path. The environment variable "
            "TORCH_HOME names another folder to keep weights in."
        )
    return target


def local_file(named: str) -> Path:
    """A checkpoint's file: what is named, or what is fetched where that is a web address."""
    return download(named) if named.startswith(("http://", "https://")) else Path(named)


def cached_file(address: str) -> Path:
    """Where the file of an address is kept.

    Raises:
        DownloadError: If the address names no file.

    Examples:
        >>> cached_file("https://some.where/higher_hrnet32-8ae85183_20200713.pth").parent.name
        'checkpoints'
        >>> cached_file("https://some.where/epoch_300.pth").parent.name
        '60412ead'
    """
    try:
        name = urlparse(address).path.rpartition("/")[2]
    except ValueError as error:
        raise DownloadError(f"{address} is no address: {error}.") from error
    if not name.strip(".") or not name.isprintable():
        raise DownloadError(f"{address!r} names no file. Give the whole address of a checkpoint.")
    return Path(torch.hub.get_dir()) / "checkpoints" / place_in_cache(address)


def _fetches() -> bool:
    """Whether this process is the one of its machine that downloads."""
    if not is_distributed():
        return True
    # launchers set it; MMEngine's own function asks for a group that none of them makes
    return int(os.environ.get("LOCAL_RANK", get_rank())) == 0


def _is_whole(file: Path) -> bool:
    """Whether a file is there, and of the hash in its name, if that has one."""
    expected = hash_in(file.name)
    return file.is_file() and (expected is None or sha256_of(file).startswith(expected))


def _fetch(address: str, target: Path) -> str | None:
    """Why the file can't be had; None where it is in its place."""
    expected = hash_in(target.name)
    try:
        if not _is_whole(target):
            if target.is_file():
                print(f"'{target}' is damaged, and fetched again.", flush=True)
            print(f"Downloading {address} to {target}", flush=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=target.parent) as folder:
                received = Path(folder, target.name)
                before = socket.getdefaulttimeout()
                socket.setdefaulttimeout(_TIMEOUT)  # torch sets none, and would wait for ever
                try:
                    torch.hub.download_url_to_file(address, str(received), hash_prefix=expected)
                finally:
                    socket.setdefaulttimeout(before)
                if not expected:
                    # the connection may have broken off, or a login page have come
                    read_checkpoint(received, name=target.name)
                os.replace(received, target)
    except (OSError, RuntimeError, ValueError, HTTPException) as error:
        return str(error) or type(error).__name__
    return None
