"""Reads image files of any kind that OpenCV reads, as BGR (NumPy, OpenCV and Pillow).

Files are taken for what is in them, not for what their names end with. Colours of 16 bits, grey,
palettes and CMYK become 8-bit BGR, transparency is dropped, and of an animation the first frame is
taken. Images are turned as their camera says (EXIF), as MMPose does.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from .geometry import to_three_channels

#: Suffixes of images in a folder.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)

#: Kinds that are smaller than their images, as Pillow calls them.
_COMPRESSED = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "SUN")

#: The environment variable for the most pixels of an image, and its default.
MAX_PIXELS = ("SWAHR_MAX_PIXELS", 300_000_000)


class ImageError(ValueError):
    """An image that can't be used; the message says which and why.

    Examples:
        >>> decode_image(b"no image", "a.png")
        Traceback (most recent call last):
            ...
        swahr_mmpose.images.files.ImageError: 'a.png' can't be read as an image: it is ...
    """


def check_pixels(name: str, w: int, h: int) -> None:
    """Raise an :class:`ImageError` for more pixels than :data:`MAX_PIXELS`."""
    variable, default = MAX_PIXELS
    most = os.environ.get(variable, str(default))
    if not most.isdecimal():
        raise ValueError(f"{variable} must be a number of pixels, but is {most!r}.")
    if w * h > int(most):
        raise ImageError(
            f"'{name}' is {w}×{h} = {w * h} pixels, and at most {most} are read. Make it smaller, "
            f"or set the environment variable {variable}."
        )


def _size_in_header(content: bytes) -> tuple[int, int] | None:
    """(w, h) before decoding; (0, 0) of kinds that do not compress; None of a broken header."""
    Image.init()
    for opener, accepts in map(Image.OPEN.__getitem__, _COMPRESSED):
        if accepts and accepts(content[:16]):
            try:  # not Image.open, which has a limit of its own, for the whole process
                return opener(io.BytesIO(content), "").size
            except Exception:  # of many kinds
                return None
    return 0, 0


def decode_image(content: bytes, name: str, turned: bool = True) -> np.ndarray:
    """The BGR image (H, W, 3), uint8, in the content of a file.

    Args:
        content: All bytes of the file.
        name: What messages call it.
        turned: Whether to turn it as its camera says; False: as it is stored.

    Raises:
        ImageError: If it is empty, cut off, damaged or no image that OpenCV reads, or too large.

    Examples:
        >>> content = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
        >>> decode_image(content, "a.png").shape
        (48, 64, 3)
    """
    if not content:
        raise ImageError(f"'{name}' is an empty file. Bring the image back.")
    flags = cv2.IMREAD_COLOR if turned else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    size = _size_in_header(content)
    if size:
        check_pixels(name, *size)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if size else None
    except cv2.error as error:
        raise ImageError(f"'{name}' can't be read as an image: {error.err}.") from error
    if image is None:
        raise ImageError(
            f"'{name}' can't be read as an image: it is cut off or damaged, or of a kind that "
            "OpenCV does not read, such as GIF. Bring it back whole, or save it as PNG or JPEG."
        )
    try:
        return to_three_channels(image)
    except ValueError as error:
        raise ImageError(f"'{name}' can't be used: {error}") from error


def decode_annotated(content: bytes, name: str, annotated_size: tuple[Any, ...]) -> np.ndarray:
    """As :func:`decode_image`, as it is stored where that is what was annotated, as in COCO.

    Args:
        content: All bytes of the file.
        name: What messages call it.
        annotated_size: (w, h) that the annotations say; the image may have another.
    """
    image = decode_image(content, name)
    size = image.shape[1::-1]
    if annotated_size != size and annotated_size == size[::-1]:
        return decode_image(content, name, turned=False)
    return image


def check_regular(path: str | Path) -> None:
    """Raise an OSError for a pipe or a device, where reading may never end."""
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise OSError("it is a pipe or a device, and no file")


def read_image(path: str | Path, annotated_size: tuple[Any, ...] | None = None) -> np.ndarray:
    """The BGR image (H, W, 3), uint8, in a file.

    Args:
        path: The file.
        annotated_size: As for :func:`decode_annotated`; None: it is turned as its camera says.

    Raises:
        ImageError: If there is no such file, or it can't be used.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.zeros((48, 64, 3), np.uint8))
        ...     read_image(f"{folder}/a.png").shape
        (48, 64, 3)
    """
    try:
        check_regular(path)
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL or a lone surrogate is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{str(path)!r} can't be opened: {reason}.") from error
    if annotated_size is None:
        return decode_image(content, str(path))
    return decode_annotated(content, str(path), annotated_size)


def read_annotated(folder: Path, image: Mapping[str, Any]) -> np.ndarray:
    """The BGR image (H, W, 3), uint8, of an entry of ``images`` in a COCO file.

    Raises:
        ImageError: As for :func:`read_image`, or if the file's name leads out of the folder.
    """
    path = Path(os.path.abspath(folder / image["file_name"]))  # links are followed
    if Path(os.path.abspath(folder)) not in path.parents:
        raise ImageError(
            f"The `file_name` {image['file_name']!r} leads out of the folder '{folder}'. Fix the "
            "name, or move the image."
        )
    return read_image(folder / image["file_name"], (image.get("width"), image.get("height")))


def images_in(folder: Path, deeper: bool = True) -> list[Path]:
    """The images in a folder by their suffixes, in order of their names.

    Args:
        folder: Where to look.
        deeper: Whether to look in folders inside it too.

    Raises:
        FileNotFoundError: If there are none.
    """
    files = folder.rglob("*") if deeper else folder.iterdir()
    found = sorted(file for file in files if file.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(
            f"There are no images in the folder '{folder}' ({', '.join(sorted(SUFFIXES))})."
        )
    return found
