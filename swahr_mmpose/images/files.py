"""Pictures from files: whole ones, of any kind that OpenCV reads, as BGR (NumPy and OpenCV).

Files are taken for what is in them, not for what their names end with. Colours of 16 bits, grey,
palettes and CMYK become 8-bit BGR, transparency is dropped, and of an animation the first frame is
taken. Pictures are turned as their camera says (EXIF), as MMPose does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .geometry import LONGEST_SIDE


class PictureError(ValueError):
    """A picture that can't be used; the message says which and why.

    Examples:
        >>> decode_picture(b"no picture", "a.png")
        Traceback (most recent call last):
            ...
        swahr_mmpose.images.files.PictureError: 'a.png' can't be read as a picture: it is ...
    """


def decode_picture(content: bytes, name: str, turned: bool = True) -> np.ndarray:
    """The BGR picture (H, W, 3), uint8, in the content of a file.

    Args:
        content: All bytes of the file.
        name: What messages call it.
        turned: Whether to turn it as its camera says; False: as it is stored.

    Raises:
        PictureError: If it is empty, cut off, damaged or no picture that OpenCV reads, or a side
            is too long for it.

    Examples:
        >>> content = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
        >>> decode_picture(content, "a.png").shape
        (48, 64, 3)
    """
    if not content:
        raise PictureError(f"'{name}' is an empty file. Bring the picture back.")
    flags = cv2.IMREAD_COLOR if turned else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise PictureError(f"'{name}' can't be read as a picture: {error.err}.") from error
    if image is None:
        raise PictureError(
            f"'{name}' can't be read as a picture: it is cut off or damaged, or of a kind that "
            "OpenCV does not read, such as GIF. Bring it back whole, or save it as PNG or JPEG."
        )
    height, width = image.shape[:2]
    if max(height, width) > LONGEST_SIDE:
        raise PictureError(
            f"'{name}' is {width}×{height} pixels, and OpenCV's affine maps take {LONGEST_SIDE} "
            "at most. Make it smaller, or cut it into pieces."
        )
    return image


def decode_annotated(content: bytes, name: str, annotated_size: tuple[Any, ...]) -> np.ndarray:
    """As :func:`decode_picture`, as it is stored where that is what was annotated, as in COCO.

    Args:
        content: All bytes of the file.
        name: What messages call it.
        annotated_size: (w, h) that the annotations say; the picture may have another.
    """
    image = decode_picture(content, name)
    size = image.shape[1::-1]
    if annotated_size != size and annotated_size == size[::-1]:
        return decode_picture(content, name, turned=False)
    return image


def read_picture(path: str | Path, annotated_size: tuple[Any, ...] | None = None) -> np.ndarray:
    """The BGR picture (H, W, 3), uint8, in a file.

    Args:
        path: The file.
        annotated_size: As for :func:`decode_annotated`; None: it is turned as its camera says.

    Raises:
        PictureError: If there is no such file, or it can't be used.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.zeros((48, 64, 3), np.uint8))
        ...     read_picture(f"{folder}/a.png").shape
        (48, 64, 3)
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL or a lone surrogate is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"{str(path)!r} can't be opened: {reason}.") from error
    if annotated_size is None:
        return decode_picture(content, str(path))
    return decode_annotated(content, str(path), annotated_size)


def read_annotated(folder: Path, image: Mapping[str, Any]) -> np.ndarray:
    """The BGR picture (H, W, 3), uint8, of an entry of ``images`` in a COCO file.

    Raises:
        PictureError: As for :func:`read_picture`.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.zeros((48, 64, 3), np.uint8))
        ...     read_annotated(Path(folder), dict(file_name="a.png", width=64, height=48)).shape
        (48, 64, 3)
    """
    return read_picture(folder / image["file_name"], (image.get("width"), image.get("height")))
