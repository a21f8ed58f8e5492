"""People in any number of images, to a file that a killed run goes on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..engine.test_loop import decoded_beside
from .image_stream import ImageFile, ImageFiles, Prepared, batches_of_one_size, load
from .results_file import Journal, Output


def predict_images(
    model: Any,
    images: Sequence[ImageFile],
    output: Output,
    batch_size: int,
    num_workers: int,
    progress: Callable[[int], object],
) -> int:
    """Find people in images, and write a line for each.

    Workers read, the network runs on a batch of one size, and a thread decodes the one before.

    Args:
        model: As ``init_model`` gives it.
        images: This process's part.
        output: Where results go.
        batch_size: Images in a batch.
        num_workers: Processes that read.
        progress: Called with the number of images after each batch or image that can't be
            used.

    Returns:
        How many could not be used; they are in ``output.errors``.
    """
    results = Journal(output.part(output.results))
    num_errors = 0
    files = ImageFiles(images, model.cfg.test_dataloader.dataset.pipeline, model.dataset_meta)

    def usable() -> Iterator[Prepared]:
        nonlocal num_errors
        for image in load(files, num_workers):
            if image.sample is not None:
                yield image
                continue
            _list_error(output, image)
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
    return num_errors


def _list_error(output: Output, image: Prepared) -> None:
    # opened each time: a run with other results in the folder may have replaced the file
    errors = Journal(output.part(output.errors))
    try:
        errors.append(dict(file=image.name, error=image.error, results=output.results.name))
    finally:
        errors.close()


def record_of(name: str, sample: Any) -> dict[str, Any]:
    """The line for an image: thousandths of a pixel, and scores to five digits.

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
