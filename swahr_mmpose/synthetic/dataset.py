"""A COCO-format dataset of scenes on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .annotations import annotate_person, crowd_annotation
from .body import KEYPOINTS
from .scene import SceneOptions, random_scene

_SKELETON = [
    [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8],
    [7, 9], [8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7],
]  # fmt: skip


@dataclass(frozen=True)
class SyntheticOptions:
    """What to generate.

    Attributes:
        num_images: Number of images.
        seed: Decides everything that is random; image i is the same whatever ``num_images``.
        long_side: Length of each image's long side in pixels; the short one is 2/3 to 1 of it.
        label_noise: See :func:`annotate_person`.
    """

    num_images: int
    seed: int = 0
    long_side: int = 320
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.num_images < 1:
            raise ValueError(f"`num_images` must be at least 1, but got {self.num_images}.")
        if self.long_side < 64:
            raise ValueError(f"`long_side` must be at least 64 pixels, but got {self.long_side}.")
        if self.seed < 0:
            raise ValueError(f"`seed` must be at least 0, but got {self.seed}.")
        if not 0 <= self.label_noise < math.inf:
            raise ValueError(
                f"`label_noise` must be a finite number of at least 0, but got {self.label_noise}."
            )


def generate_image(
    options: SyntheticOptions, index: int
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Image ``index``, (H, W, 3) uint8 BGR, and its annotations, less the ids.

    Examples:
        >>> image, people = generate_image(SyntheticOptions(1, long_side=64), 0)
        >>> image.shape, sorted(people[0])[:3]
        ((56, 64, 3), ['area', 'bbox', 'category_id'])
    """
    rng = np.random.default_rng([options.seed, index])
    short_side = round(options.long_side * rng.uniform(2 / 3, 1))
    landscape = rng.random() < 0.6
    size = (options.long_side, short_side) if landscape else (short_side, options.long_side)
    scene = random_scene(rng, SceneOptions(size))
    annotations = [
        annotate_person(scene, person, rng, options.label_noise)
        for person in scene.people
        if not person.in_crowd
    ]
    annotations.append(crowd_annotation(scene))
    return scene.image, [annotation for annotation in annotations if annotation]


def generate_dataset(
    folder: Path, name: str, options: SyntheticOptions, progress: Any = iter
) -> Path:
    """Write ``folder/images/name/*.jpg`` and ``folder/annotations/name.json``.

    Args:
        folder: Where to write; made if missing.
        name: Name of the part, such as ``train``.
        options: What to generate.
        progress: Wraps the range of images, for a progress bar.

    Returns:
        The path of the annotation file.

    Raises:
        FileExistsError: If other images are there under this name.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = generate_dataset(Path(folder), "val", SyntheticOptions(2, long_side=64))
        ...     [image["file_name"] for image in json.loads(path.read_text())["images"]]
        ['000000.jpg', '000001.jpg']
    """
    image_folder, path = folder / "images" / name, folder / "annotations" / f"{name}.json"
    info = dict(description="Drawn people", **vars(options))
    _check_nothing_else_is_there(path, image_folder, info)
    image_folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    indices: Iterable[int] = progress(range(options.num_images))
    for index in indices:
        image, people = generate_image(options, index)
        file_name = f"{index:06d}.jpg"
        if not cv2.imwrite(str(image_folder / file_name), image):
            raise OSError(f"The image {image_folder / file_name} could not be written.")
        h, w = image.shape[:2]
        images.append(dict(id=index + 1, file_name=file_name, width=w, height=h))
        for person in people:
            annotations.append(dict(person, id=len(annotations) + 1, image_id=index + 1))
    category = dict(
        id=1,
        name="person",
        supercategory="person",
        keypoints=list(KEYPOINTS),
        skeleton=_SKELETON,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(dict(info=info, images=images, annotations=annotations, categories=[category]))
    )
    return path


def _check_nothing_else_is_there(path: Path, image_folder: Path, info: dict[str, Any]) -> None:
    """Raise unless the same images, or none, are there already."""
    if not path.exists():
        return
    try:
        there = json.loads(path.read_text())["info"]
    except (ValueError, KeyError, TypeError):  # something else altogether
        there = None
    if there != info:
        raise FileExistsError(
            f"'{path}' exists and holds other annotations ({there} instead of {info}). Give "
            f"another name, or delete it and '{image_folder}'."
        )
