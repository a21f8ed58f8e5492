"""People in any number of pictures, to a file that a killed run goes on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..engine.bottomup_test_loop import decoded_beside
from ..whole_files import write_whole
from .journal import Journal, files_in, merge
from .picture_stream import Picture, PictureFiles, Prepared, batches_of_one_size, load


@dataclass(frozen=True)
class Output:
    """Where results go.

    Attributes:
        results: One line for each picture with its people.
        rank: Number of this process among ``world_size``; each writes a file of its own.
        world_size: Number of processes.

    Examples:
        >>> output = Output(Path("results.jsonl"), rank=1, world_size=2)
        >>> output.part(output.results).name, output.settings.name
        ('results.part1.jsonl', 'results.settings.json')
    """

    results: Path
    rank: int = 0
    world_size: int = 1

    @property
    def errors(self) -> Path:
        """One line for each picture that could not be used."""
        return self.results.with_name("errors.jsonl")

    @property
    def settings(self) -> Path:
        """What the results were made with."""
        return self.results.with_suffix(".settings.json")

    def part(self, path: Path) -> Path:
        """The file that this process writes."""
        if self.world_size == 1:
            return path
        return path.with_suffix(f".part{self.rank}{path.suffix}")

    def parts(self, path: Path) -> list[Path]:
        """The files of all processes, also of a run with another number of them."""
        return sorted(path.parent.glob(f"{path.stem}.part*{path.suffix}"))


def keep_settings(output: Output, settings: dict[str, Any]) -> None:
    """Write down what the results are made with, or compare with what a run before wrote.

    Raises:
        ValueError: If results are there that were made with something else.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "results.jsonl"))
        ...     keep_settings(output, dict(flip_test=True))
        ...     json.loads(output.settings.read_text())
        {'flip_test': True}
    """
    if output.settings.is_file():
        before = json.loads(output.settings.read_text(encoding="utf-8"))
        differing = [name for name in settings if before.get(name) != settings[name]]
        if differing:
            name = differing[0]
            raise ValueError(
                f"'{output.results}' was begun with {name} {before.get(name)!r}, and not "
                f"{settings[name]!r}. Name another file for the results."
            )
    elif output.rank == 0:
        text = json.dumps(settings, indent=2, ensure_ascii=False)
        write_whole(output.settings, f"{text}\n".encode())


def still_to_do(pictures: Sequence[Picture], output: Output) -> list[Picture]:
    r"""This process's part of the pictures that have no result yet.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "results.jsonl"))
        ...     _ = output.results.write_text('{"file": "a.jpg"}\n')
        ...     still_to_do([Picture("a.jpg", "a.jpg"), Picture("b.jpg", "b.jpg")], output)
        [Picture(name='b.jpg', path='b.jpg')]
    """
    done: set[str] = set()
    for path in (output.results, *output.parts(output.results)):
        done.update(files_in(path))
    remaining = [picture for picture in pictures if picture.name not in done]
    return remaining[output.rank :: output.world_size]


def predict_pictures(
    model: Any,
    pictures: Sequence[Picture],
    output: Output,
    batch_size: int,
    num_workers: int,
    progress: Callable[[int], object],
) -> int:
    """Find people in pictures, and write a line for each.

    Workers read, the network runs on a batch of one size, and a thread decodes the one before.

    Args:
        model: As ``init_model`` gives it.
        pictures: This process's part.
        output: Where results go.
        batch_size: Pictures in a batch.
        num_workers: Processes that read.
        progress: Called with the number of pictures after each batch or picture that can't be
            used.

    Returns:
        How many could not be used; they are in ``output.errors``.
    """
    results = Journal(output.part(output.results))
    errors = Journal(output.part(output.errors))
    num_errors = 0
    files = PictureFiles(pictures, model.cfg.test_dataloader.dataset.pipeline, model.dataset_meta)

    def usable() -> Iterator[Prepared]:
        nonlocal num_errors
        for picture in load(files, num_workers):
            if picture.sample is not None:
                yield picture
                continue
            errors.append(dict(file=picture.name, error=picture.error))
            num_errors += 1
            progress(1)

    try:
        with torch.no_grad():
            batches = batches_of_one_size(usable(), batch_size)
            for names, people in decoded_beside(model, batches):
                for name, sample in zip(names, people):
                    results.append(record_of(name, sample))
                progress(len(names))
    finally:
        results.close()
        errors.close()
        if not num_errors:
            errors.path.unlink()
    return num_errors


def forget_errors(output: Output) -> None:
    """Remove what a run before wrote of pictures that it could not use: they are tried again."""
    for path in (output.errors, *output.parts(output.errors)):
        path.unlink(missing_ok=True)


def bring_together(output: Output) -> None:
    r"""Merge what several processes wrote, now or in a run before.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     output = Output(Path(folder, "results.jsonl"), rank=1, world_size=2)
        ...     _ = output.part(output.results).write_text('{"file": "a.jpg"}\n')
        ...     bring_together(output)
        ...     list(files_in(output.results))
        ['a.jpg']
    """
    for path in (output.results, output.errors):
        if output.parts(path):
            merge(output.parts(path), path)


def record_of(name: str, sample: Any) -> dict[str, Any]:
    """The line for a picture: thousandths of a pixel, and scores to five digits.

    Examples:
        >>> from mmengine.structures import InstanceData
        >>> from mmpose.structures import PoseDataSample
        >>> places = dict(keypoints=np.full((1, 1, 2), 1 / 3), bboxes=np.zeros((1, 4)))
        >>> people = InstanceData(**places, keypoint_scores=np.ones((1, 1)), bbox_scores=np.ones(1))
        >>> sample = PoseDataSample(pred_instances=people, metainfo=dict(ori_shape=(48, 64)))
        >>> record_of("a.jpg", sample)["people"][0]["keypoints"]
        [[0.333, 0.333]]
    """
    height, width = sample.metainfo["ori_shape"][:2]
    people = sample.pred_instances
    fields = dict(
        keypoints=np.round(people.keypoints.astype(np.float64), 3),
        keypoint_scores=np.round(people.keypoint_scores.astype(np.float64), 5),
        bbox=np.round(people.bboxes.astype(np.float64), 3),
        score=np.round(people.bbox_scores.astype(np.float64), 5),
    )
    if "keypoint_widths" in people:
        fields["keypoint_widths"] = np.round(people.keypoint_widths.astype(np.float64), 3)
    rows = zip(*(values.tolist() for values in fields.values()))
    return dict(
        file=name, width=width, height=height, people=[dict(zip(fields, row)) for row in rows]
    )
