"""Opens what applications give: images of all kinds, folders, globs, videos and cameras."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log
from PIL import Image, ImageOps

from ..images.files import images_in
from ..images.geometry import to_three_channels
from ..images.video import Video, is_video
from .image_stream import find_images


def open_inputs(inputs: Any, outputs: list[str]) -> Any:
    """A video; or images, in an iterator where one is given, else in a list.

    Args:
        inputs: As for ``BottomupInferencer``.
        outputs: Folders or files for results, which must not replace what is read.

    Raises:
        FileNotFoundError: If there are no images, or no such file.
        ValueError: If an image or video can't be used, a folder or video is in a list, or results
            could replace what is read.
    """
    take = partial(_image, outputs=outputs)
    if isinstance(inputs, Iterator):
        return map(take, inputs)
    if not isinstance(inputs, (str, Path, int)):
        return [take(one) for one in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    name = str(inputs)
    camera = re.fullmatch(r"webcam|(?:webcam:)?(\d+)", name)
    if camera and not os.path.exists(name):
        return Video(int(camera[1] or 0))
    if is_folder(name):
        return _images_of_folder(Path(name), outputs)
    if name.endswith(".txt") or not ("://" in name or os.path.exists(name)):
        return [take(image.path) for image in find_images(name)]
    if is_video(name) or (os.path.isfile(name) and not cv2.haveImageReader(name)):
        _check_kept(name, outputs)
        return Video(name)
    return [take(name)]


def is_folder(given: Any) -> bool:
    """Whether this is the path of a folder."""
    return isinstance(given, (str, Path)) and os.path.isdir(given)


def _image(given: Any, outputs: list[str]) -> Any:
    """A path or address as text, or an array in BGR."""
    if isinstance(given, (str, Path)):
        name = str(given)
        if is_folder(name) or (not name.startswith("http") and is_video(name)):
            kind = "folder" if is_folder(name) else "video"
            raise ValueError(f"'{name}' is a {kind}. Give it alone, not in a list.")
        _check_kept(name, outputs)
        return name
    if isinstance(given, Image.Image) and given.mode[0] not in "IF":  # more than 8 bits
        upright = ImageOps.exif_transpose(given).convert("RGB")
        return cv2.cvtColor(np.asarray(upright), cv2.COLOR_RGB2BGR)
    return to_three_channels(given)


def _check_kept(source: str, outputs: list[str]) -> None:
    """Raise a ValueError where results could replace what is read, or a file beside it."""
    path = Path(source)
    own = {path.resolve(), path.resolve().parent, path.parent.resolve()}
    for output in outputs:
        if Path(output).resolve() in own:
            raise ValueError(
                f"Results in '{output}' could replace '{source}', or files beside it. Name another "
                "folder."
            )


def _images_of_folder(folder: Path, outputs: list[str]) -> list[str]:
    found = images_in(folder, deeper=False)
    if len(images_in(folder)) > len(found):
        print_log(
            f"Images in folders inside '{folder}' are left out; `swahr predict` takes them.",
            logger="current",
            level=30,
        )
    for path in found:
        _check_kept(str(path), outputs)
    return [str(path) for path in found]
