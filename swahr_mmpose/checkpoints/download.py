"""Downloading weights once, into torch hub's cache."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import torch
from mmengine.dist import barrier, get_rank, is_distributed
from tqdm import tqdm

from ..utils.files import PARTIAL

#: How published names end: the start of the file's SHA-256, and a date.
_HASH = re.compile(r"-([0-9a-f]{8,64})(?:_\d+)?\.\w+$")

#: A date, which users end names with too.
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


#: Seconds without a byte after which a download is given up.
_TIMEOUT = 60


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
    target = cached_file(address)
    problem = _fetch(address, target) if _fetches() else None
    barrier()
    if problem is None and not target.is_file():
        problem = "another process of this machine could not fetch it"
    if problem:
        raise DownloadError(
            f"{address} can't be had: {problem}. Fetch it by other means and put it to '{target}'; "
            "or set the environment variable TORCH_HOME to a folder that can be written to."
        )
    return target


def cached_file(address: str) -> Path:
    """Where the file of an address is kept.

    A published name, which has a hash, says which file it is: it is kept where torch hub keeps it.
    Others, such as ``epoch_300.pth``, are kept in a folder for their address.

    Raises:
        DownloadError: If the address names no file.

    Examples:
        >>> cached_file("https://some.where/higher_hrnet32-8ae85183_20200713.pth").parent.name
        'checkpoints'
        >>> cached_file("https://some.where/epoch_300.pth").parent.name
        '60412ead'
    """
    try:
        name = Path(urlparse(address).path).name
    except ValueError as error:
        raise DownloadError(f"{address} is no address: {error}.") from error
    if not name:
        raise DownloadError(f"{address} names no file. Give the whole address of a checkpoint.")
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if hash_in(name) is None:
        folder /= hashlib.sha256(address.encode(errors="replace")).hexdigest()[:8]
    return folder / name


def hash_in(name: str) -> str | None:
    """The start of the SHA-256 that a published file has in its name; None if there is none.

    Examples:
        >>> hash_in("higher_hrnet32-8ae85183_20200713.pth"), hash_in("mine-20240131.pth")
        ('8ae85183', None)
    """
    match = _HASH.search(name)
    return match.group(1) if match and not _DATE.fullmatch(match.group(1)) else None


def _fetches() -> bool:
    """Whether this process is the one of its machine that downloads."""
    if not is_distributed():
        return True
    # launchers set it; MMEngine's own function asks for a group that none of them makes
    return int(os.environ.get("LOCAL_RANK", get_rank())) == 0


def _fetch(address: str, target: Path) -> str | None:
    """Why the file can't be had; None where it is in its place."""
    expected = hash_in(target.name)
    try:
        if target.is_file() and expected and not _sha256(target).startswith(expected):
            print(f"'{target}' is damaged, and fetched again.", flush=True)
            target.unlink()
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            print(f"Downloading {address} to {target}", flush=True)
            return _fetch_whole(address, target, expected)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return None


def _fetch_whole(address: str, target: Path, expected: str | None) -> str | None:
    """Download beside the place, and move the file there if it is whole and the right one."""
    partial = target.with_name(f"{target.name}.{os.getpid()}{PARTIAL}")
    try:
        length, received = _receive(address, partial)
        if length is not None and received != length:
            return f"the connection broke off after {received} of {length} bytes; try again"
        if expected and not _sha256(partial).startswith(expected):
            return (
                f"what came is not the file whose hash begins with {expected}, and was removed. If "
                "that part of the name is no hash, give the path of the file instead"
            )
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return None


def _receive(address: str, path: Path) -> tuple[int | None, int]:
    """Write what comes from an address; its length as the server says it, and what came."""
    # as torch hub calls itself: some servers refuse Python's own name
    request = Request(address, headers={"User-Agent": "torch.hub"})
    with urlopen(request, timeout=_TIMEOUT) as source, path.open("wb") as file:
        said = source.headers.get("Content-Length")
        length = int(said) if said else None
        with tqdm(total=length, unit="B", unit_scale=True, unit_divisor=1024) as bar:
            for part in iter(lambda: source.read(1 << 20), b""):
                file.write(part)
                bar.update(len(part))
        return length, file.tell()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()
