"""Resumable prediction: people in any number of images, a line of JSON for each."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from filelock import FileLock, Timeout
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmpose.apis import init_model

from ..checkpoints.model_zoo import weights_for
from ..decoding import APPLICATION_OPTIONS
from ..engine.test_loop import decoded_beside
from ..utils.config_files import find_config
from ..utils.errors import reason_of
from ..utils.files import sha256_of
from .application_decoding import gives_widths, reads_for_applications
from .image_stream import ImageFile, ImageFiles, Prepared, batches_of_one_size, find_images, load
from .results_file import Journal, Output, begin, bring_together


class Predicted(NamedTuple):
    """How many images have a result, how many could not be used, and the list of these, if any."""

    num_results: int
    num_errors: int
    errors: Path


def predict_files(
    images: str | Path,
    out: str | Path,
    config: str | Path,
    weights: str | Path | None = None,
    *,
    widths: bool = False,
    min_score: float | None = APPLICATION_OPTIONS["min_score"],  # type: ignore[assignment]
    batch_size: int = 4,
    num_workers: int = 2,
    device: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Predicted:
    """Find the people in any number of images, and write a line of JSON for each image.

    The same call resumes one that was stopped. Images that can't be used are listed in
    ``NAME.errors.jsonl`` beside ``NAME.jsonl``, and tried again on the next run.
    Processes that ``torchrun`` started share the images, and the first brings the results together.

    Args:
        images: A folder, a text file (``.txt``) with a path per line, a glob, or an image.
        out: The file of results, ``NAME.jsonl``.
        config: Name of one of this package's configs, or path of any with its codec.
        weights: Path or address of a checkpoint; None: those known for the config.
        widths: Whether to write the predicted widths of keypoints too.
        min_score: People of a lower score are left out; None: all people as the config's test
            finds them.
        batch_size: Images in a batch.
        num_workers: Processes that read images.
        device: Such as ``'cpu'`` or ``'cuda:1'``; None: a GPU if there is one.
        progress: Called with the number of images that this process has finished, first 0, and
            the size of its share.

    Raises:
        FileNotFoundError: If there are no images, no such config or no folder for the results.
        RuntimeError: If another process can't begin.
        ValueError: If a number is out of its range, no weights are known, the checkpoint has no
            scale branch and ``widths`` are wanted, or the results are another run's or no results.
    """
    if batch_size < 1 or num_workers < 0:
        raise ValueError("The batch size must be at least 1, and the workers at least 0.")
    rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    output = Output(Path(out), rank, world_size)
    output.check()
    config_path = find_config(config)
    checkpoint = str(weights or weights_for(config_path))
    files = find_images(str(images))
    folder = (Path(images) if Path(images).is_dir() else Path()).resolve()
    if world_size > 1 and not dist.is_initialized():
        # before the model: one process of a machine downloads weights, and the others wait;
        # parts may take very different times
        dist.init_process_group("gloo", timeout=timedelta(days=30))
        # not sooner: torchrun's processes can't connect a second time
        atexit.register(dist.destroy_process_group)
    own_device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    lock = FileLock(output.results.with_suffix(".lock"), timeout=0)
    try:
        # no one goes on where another can't, or writes results before all have read what is done
        with _all_or_none(world_size):
            model = init_model(str(config_path), checkpoint, device=device or own_device)
            if widths:
                gives_widths(model)
            if min_score is not None:
                reads_for_applications(model, dict(min_score=min_score))
            if rank == 0:
                lock.acquire()
            pipeline = model.cfg.test_dataloader.dataset.pipeline
            made_of = model.cfg.model, pipeline, vars(model.head.decoder.decode_options)
            text = json.dumps(made_of, sort_keys=True, default=repr)
            settings = dict(
                # contents: names stay when these change
                checkpoint=sha256_of(checkpoint)[:16] if os.path.isfile(checkpoint) else checkpoint,
                # images are named relative to it
                folder=None if all(os.path.isabs(name) for name, _ in files) else str(folder),
                widths=widths,
                min_score=min_score,
                keypoints=list(model.dataset_meta["keypoint_id2name"].values()),
                network_and_decoding=hashlib.sha256(text.encode()).hexdigest()[:16],
            )
            remaining = begin(output, files, settings)
        if rank == 0 and len(remaining) < len(files):
            done = len(files) - len(remaining)
            print_log(f"{done} of {len(files)} images have results already.", logger="current")
        share = remaining[rank::world_size]
        own_errors = predict_images(model, share, output, batch_size, num_workers, progress)
        num_errors = sum(_of_all(own_errors, world_size))
        if rank == 0:
            bring_together(output)
        # torchrun stops the others once one ends with a status: not before the first is done
        _of_all("done", world_size)
        return Predicted(len(files) - num_errors, num_errors, output.errors)
    except Timeout as error:
        other = "Wait for it, or name another file for the results."
        raise ValueError(f"Another run writes '{output.results}'. {other}") from error
    finally:
        lock.release()


def _of_all(value: Any, world_size: int) -> list[Any]:
    """The values of all processes, which wait for each other."""
    values = [value] * world_size
    if world_size > 1:
        dist.all_gather_object(values, value)
    return values


@contextmanager
def _all_or_none(world_size: int) -> Iterator[None]:
    """Raise an error in all processes where one has one."""
    own: Exception | None = None
    try:
        yield
    except Exception as error:
        own = error
    reasons = [reason for reason in _of_all(own and repr(own), world_size) if reason]
    if own:
        raise own
    if reasons:
        raise RuntimeError(f"Another process can't begin: {reasons[0]}")


def predict_images(
    model: Any,
    images: Sequence[ImageFile],
    output: Output,
    batch_size: int = 4,
    num_workers: int = 2,
    progress: Callable[[int, int], object] | None = None,
) -> int:
    """Find people in images, write a line for each, and return how many could not be used.

    Workers read, the network runs on a batch of one size, and a thread decodes the one before.
    The images of a batch that fails are tried one by one.
    """
    results, errors = (Journal(output.part(path)) for path in (output.results, output.errors))
    results.path.touch()  # also where no image can be used
    files = ImageFiles(images, model.cfg.test_dataloader.dataset.pipeline, model.dataset_meta)
    num_results = num_errors = 0
    progress = progress or (lambda done, total: None)
    progress(0, len(images))

    def refuse(name: str, reason: str) -> None:
        nonlocal num_errors
        errors.append(dict(file=name, error=reason))
        num_errors += 1
        progress(num_results + num_errors, len(images))

    def usable() -> Iterator[Prepared]:
        for image in load(files, num_workers):
            if image.sample is None:
                refuse(image.name, image.error)
            else:
                yield image

    with closing(results), closing(errors), torch.no_grad():
        batches = batches_of_one_size(usable(), batch_size)
        for batch, people in decoded_beside(model, batches):
            samples = [None] * len(batch) if people.exception() else people.result()
            for image, sample in zip(batch, samples):
                try:
                    if sample is None:
                        (sample,) = model.test_step(pseudo_collate([image.sample]))
                except Exception as error:  # of the network or of decoding, or memory runs out
                    refuse(image.name, reason_of(error))
                    continue
                results.append(record_of(image.name, sample))
                num_results += 1
            progress(num_results + num_errors, len(images))
    return num_errors


def record_of(name: str, sample: Any) -> dict[str, Any]:
    """The line for an image: thousandths of a pixel, and scores to five digits."""
    height, width = sample.metainfo["ori_shape"][:2]
    people = sample.pred_instances
    fields = dict(
        keypoints=np.round(people.keypoints.astype(np.float64), 3),
        keypoint_scores=np.round(people.keypoint_scores.astype(np.float64), 5),
        keypoints_found=people.keypoints_found,
        bbox=np.round(people.bboxes.astype(np.float64), 3),
        score=np.round(people.bbox_scores.astype(np.float64), 5),
    )
    for key in ("keypoint_widths", "keypoint_sigmas"):
        if key in people:
            fields[key] = np.round(people[key].astype(np.float64), 3)
    rows = zip(*(values.tolist() for values in fields.values()))
    return dict(
        file=name, width=width, height=height, people=[dict(zip(fields, row)) for row in rows]
    )
