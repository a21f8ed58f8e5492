"""What the inferencer takes: images, a folder of them, a video, or a webcam."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from .image_stream import SUFFIXES


def as_mmpose_takes_it(inputs: Any) -> Any:
    """A list of images, or the name of a video or webcam, for MMPose's inferencer.

    Args:
        inputs: Path, address, array (H, W, 3) uint8 in BGR, or a list of these; or a folder, a
            video, or ``'webcam'``.

    Raises:
        FileNotFoundError: If there are no images in the folder.
        TypeError: If something else is given.
        ValueError: If an array holds no pixels of 8 bits, or a list has folders or videos.

    Examples:
        >>> as_mmpose_takes_it([Path("a.jpg"), "b.jpg"]), as_mmpose_takes_it("video.mp4")
        (['a.jpg', 'b.jpg'], 'video.mp4')
    """
    if isinstance(inputs, (list, tuple)):
        return [_image(one) for one in inputs]
    if is_folder(inputs):
        return _images_in(Path(inputs))
    name = str(inputs) if isinstance(inputs, (str, Path)) else ""
    if name.startswith("webcam") or _is_video(name):
        return name
    return [_image(inputs)]


def is_folder(inputs: Any) -> bool:
    """Whether a folder is given."""
    return isinstance(inputs, (str, Path)) and Path(inputs).is_dir()


def _image(given: Any) -> Any:
    """An image of a list, a path as text."""
    if isinstance(given, (str, Path)):
        for problem, kind in ((is_folder(given), "folder"), (_is_video(str(given)), "video")):
            if problem:
                raise ValueError(f"'{given}' is a {kind}. Give it alone, not in a list.")
        return str(given)
    if not isinstance(given, np.ndarray):
        raise TypeError(
            f"An image must be a path, an address or an array, but is {type(given).__name__}. "
            "(cv2.imread gives None for a file that it can't read.)"
        )
    if given.dtype != np.uint8:
        raise ValueError(
            f"An image must be an array of uint8, as cv2.imread gives it, but is {given.dtype}."
        )
    return given


def _is_video(name: str) -> bool:
    return (mimetypes.guess_type(name)[0] or "").startswith("video/")


def _images_in(folder: Path) -> list[str]:
    """The images of a folder, in order of their names."""
    found = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(
            f"There are no images in the folder '{folder}' ({', '.join(sorted(SUFFIXES))})."
        )
    _say_what_is_deeper(folder)
    return found


def _say_what_is_deeper(folder: Path) -> None:
    inner: Sequence[Path] = [path for path in folder.iterdir() if path.is_dir()]
    if any(file.suffix.lower() in SUFFIXES for path in inner for file in path.rglob("*")):
        print_log(
            f"Images in folders inside '{folder}' are left out; `tools/predict.py` takes them.",
            logger="current",
            level=30,
        )
