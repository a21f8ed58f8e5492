"""Reads image files of any kind that OpenCV reads, as BGR (NumPy and OpenCV).

Files are taken for what is in them, not for what their names end with. Colours of 16 bits, grey,
palettes and CMYK become 8-bit BGR, transparency is dropped, and of an animation the first frame is
taken. Images are turned as their camera says (EXIF), as MMPose does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .geometry import to_three_channels

#: Suffixes of images in a folder.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)


class ImageError(ValueError):
    """An image that can't be used; the message says which and why.

    Examples:
        >>> decode_image(b"no image", "a.png")
        Traceback (most recent call last):
            ...
        swahr_mmpose.images.files.ImageError: 'a.png' can't be read as an image: it is ...
    """


def decode_image(content: bytes, name: str, turned: bool = True) -> np.ndarray:
    """The BGR image (H, W, 3), uint8, in the content of a file.

    Args:
        content: All bytes of the file.
        name: What messages call it.
        turned: Whether to turn it as its camera says; False: as it is stored.

    Raises:
        ImageError: If it is empty, cut off, damaged or no image that OpenCV reads, or a side
            is too long for it.

    Examples:
        >>> content = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
        >>> decode_image(content, "a.png").shape
        (48, 64, 3)
    """
    if not content:
        raise ImageError(f"'{name}' is an empty file. Bring the image back.")
    flags = cv2.IMREAD_COLOR if turned else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
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
