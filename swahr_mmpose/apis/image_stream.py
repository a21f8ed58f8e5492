"""Finds image files, reads them in worker processes, and batches them by size."""

from __future__ import annotations

import glob
import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.dataset import Compose, pseudo_collate
from torch.utils.data import DataLoader, Dataset

from ..images.files import ImageError, images_in, read_image
from ..utils.errors import failed_step, reason_of

#: Images of other sizes that may wait until they are enough for a batch, in batches.
_WAITING_BATCHES = 8


class ImageFile(NamedTuple):
    """An image's name in the results, and its path."""

    name: str
    path: str


class Prepared(NamedTuple):
    """An image's name and sample after the test pipeline; or None, and why it can't be used."""

    name: str
    sample: dict[str, Any] | None
    error: str


def find_images(source: str) -> list[ImageFile]:
    """The images that a folder, a list, a glob or a single name stands for, each once.

    Args:
        source: A folder, of which all images are taken, also of folders in it, and named
            relative to it; a text file (``.txt``) with one path per line; a glob; or an image.

    Raises:
        FileNotFoundError: If there are none.
        ValueError: If the text file is not UTF-8.
    """
    path = Path(source)
    if path.is_dir():
        return [ImageFile(p.relative_to(path).as_posix(), str(p)) for p in images_in(path)]
    if path.is_file():
        names = _listed(path) if path.suffix == ".txt" else [source]
    else:
        names = sorted(glob.glob(source, recursive=True))
    if not names:
        raise FileNotFoundError(
            f"There are no images in '{source}'. Give a folder, a text file with one path per "
            "line, or a glob in quotes."
        )
    return [ImageFile(name, name) for name in dict.fromkeys(names)]


def _listed(path: Path) -> list[str]:
    try:
        # Windows programs begin files with a mark, which would be part of the first path
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"The list '{path}' is not UTF-8 ({error.reason} at byte {error.start}). Save it as "
            "UTF-8."
        ) from error
    return [line.strip() for line in text.split("\n") if line.strip()]


class ImageFiles(Dataset):
    """Images after the test pipeline, whose first step takes ``img``; none raises an error."""

    def __init__(
        self, images: Sequence[ImageFile], pipeline: list[Any], dataset_meta: dict[str, Any]
    ) -> None:
        self.images = images
        self.pipeline = Compose(pipeline)
        self.dataset_meta = dataset_meta

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Prepared:
        """Read an image."""
        name, path = self.images[index]
        try:
            image = read_image(path)
            sample = self.pipeline(dict(self.dataset_meta, img=image, img_path=path))
        except (ImageError, OSError) as error:
            return Prepared(name, None, reason_of(error))
        except Exception as error:  # of a step of the pipeline; the other images go on
            step = failed_step(error, self.pipeline.transforms)
            return Prepared(name, None, reason_of(step))
        return Prepared(name, sample, "")


def load(files: ImageFiles, num_workers: int) -> Iterator[Prepared]:
    """All images, read by workers; 0 workers: here."""
    loader: DataLoader[Any] = DataLoader(
        files,
        batch_size=None,
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
        collate_fn=_as_is,
        worker_init_fn=_end_with_parent,
    )
    try:
        yield from loader
    except RuntimeError as error:  # a worker ended; the cause says by which signal
        raise RuntimeError(f"{error}. {error.__cause__ or ''}") from error


def _as_is(prepared: Any) -> Any:
    return prepared


def _end_with_parent(_: int) -> None:
    """End this worker when its parent is killed; a full pipe would hold it for ever."""
    parent: Any = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def batches_of_one_size(
    prepared: Iterable[Prepared], batch_size: int
) -> Iterator[tuple[list[Prepared], dict[str, Any]]]:
    """Images and their collated samples, those of one input size together.

    A batch comes when it is full, or when too many others wait: memory is bounded.
    """
    waiting: dict[Any, list[Prepared]] = {}
    for image in prepared:
        assert image.sample is not None
        size = tuple(image.sample["data_samples"].metainfo["input_size"])
        waiting.setdefault(size, []).append(image)
        full = len(waiting[size]) >= batch_size
        if not full and sum(map(len, waiting.values())) >= batch_size * _WAITING_BATCHES:
            size, full = next(iter(waiting)), True  # the size that waits longest
        if full:
            yield _collate(waiting.pop(size))
    for images in waiting.values():
        yield _collate(images)


def _collate(images: list[Prepared]) -> tuple[list[Prepared], dict[str, Any]]:
    return images, pseudo_collate([image.sample for image in images])
