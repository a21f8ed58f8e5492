"""Many images from files: read by workers, and put into batches of one size."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.dataset import Compose, pseudo_collate
from torch.utils.data import DataLoader, Dataset

from ..images.files import read_image

#: What is taken for an image in a folder.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})

#: Images of other sizes that may wait until they are enough for a batch, in batches.
_WAITING_BATCHES = 8


class ImageFile(NamedTuple):
    """An image's file.

    Attributes:
        name: As it is called in results.
        path: Where it is.
    """

    name: str
    path: str


class Prepared(NamedTuple):
    """An image after the test pipeline.

    Attributes:
        name: As it is called in results.
        sample: What the pipeline gives; None where the image can't be used.
        error: Why not.
    """

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

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     [image.name for image in find_images(folder)]
        ['a.jpg', 'b.png']
    """
    path = Path(source)
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        images = [ImageFile(file.relative_to(path).as_posix(), str(file)) for file in found]
    elif path.is_file() and path.suffix == ".txt":
        images = [ImageFile(name, name) for name in dict.fromkeys(_listed(path))]
    elif path.is_file():
        images = [ImageFile(source, source)]
    else:
        images = [ImageFile(name, name) for name in sorted(glob.glob(source, recursive=True))]
    if not images:
        raise FileNotFoundError(
            f"There are no images in '{source}'. Give a folder, a text file with one path per "
            f"line, or a glob in quotes. In folders these are looked for: "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return images


def _listed(path: Path) -> list[str]:
    """The lines of a text file that are not empty."""
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
    """Images after the test pipeline; what can't be used is said, not raised.

    Args:
        images: The files.
        pipeline: Configs of the test pipeline, whose first step takes ``img``.
        dataset_meta: Of the model.

    Examples:
        >>> files = ImageFiles([ImageFile("a.jpg", "no_such_folder/a.jpg")], [], dataset_meta={})
        >>> files[0].error
        "'no_such_folder/a.jpg' can't be opened: No such file or directory."
    """

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
        except Exception as error:  # a file can be broken in any way, and the others go on
            message = str(error) or type(error).__name__
            return Prepared(name, None, " ".join(message.split()))
        return Prepared(name, sample, "")


def load(files: ImageFiles, num_workers: int) -> Iterator[Prepared]:
    """All images, read by workers; 0 workers: here.

    Examples:
        >>> files = ImageFiles([ImageFile("a.jpg", "no_such_folder/a.jpg")], [], dataset_meta={})
        >>> [prepared.name for prepared in load(files, num_workers=0)]
        ['a.jpg']
    """
    ahead = 4 if num_workers else None
    loader: DataLoader[Any] = DataLoader(
        files, batch_size=None, num_workers=num_workers, prefetch_factor=ahead, collate_fn=_as_is
    )
    return iter(loader)


def _as_is(prepared: Any) -> Any:
    return prepared


def batches_of_one_size(
    prepared: Iterable[Prepared], batch_size: int
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Names and collated samples, those of one input size together.

    A batch comes when it is full, or when too many others wait: memory is bounded.

    Args:
        prepared: Images that can be used.
        batch_size: The most in a batch.

    Examples:
        >>> from mmpose.structures import PoseDataSample
        >>> sizes = dict(a=(64, 64), b=(64, 96), c=(64, 64))
        >>> samples = {n: PoseDataSample(metainfo=dict(input_size=own)) for n, own in sizes.items()}
        >>> prepared = [Prepared(n, dict(data_samples=own), "") for n, own in samples.items()]
        >>> [names for names, _ in batches_of_one_size(prepared, batch_size=2)]
        [['a', 'c'], ['b']]
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


def _collate(images: list[Prepared]) -> tuple[list[str], dict[str, Any]]:
    return [image.name for image in images], pseudo_collate([p.sample for p in images])
