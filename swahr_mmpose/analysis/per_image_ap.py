"""COCO's matching of found and labelled people, image by image.

The average precision of any selection of images follows from it, so that it can be resampled.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from xtcocotools.coco import COCO

from ..evaluation.coco_index import KeypointEvaluation, indexed

#: Recall levels at which COCO reads precision.
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class FoundPeople:
    """People found in one image.

    Attributes:
        keypoints: (P, K, 2), x and y in pixels of the image.
        scores: (P,), the people's scores.
    """

    keypoints: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class ImageResult:
    """What COCO's evaluation made of one image.

    Attributes:
        scores: (D,), those of at most 20 people, highest first.
        matched: (T, D) bool, whether each was matched at each of the OKS thresholds.
        ignored: (T, D) bool, whether it counts neither way.
        num_people: Labelled people that count.
    """

    scores: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    num_people: int


def labelled_people(
    annotations: COCO, image: int, num_keypoints: int
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (N, K, 3) and areas (N,) of an image's people with a label, crowds left out."""
    people = [
        person
        for person in annotations.loadAnns(annotations.getAnnIds(imgIds=[image]))
        if not person.get("iscrowd") and person.get("num_keypoints")
    ]
    keypoints = np.array([person["keypoints"] for person in people], float)
    areas = np.array([person["area"] for person in people], float)
    return keypoints.reshape(len(people), num_keypoints, 3), areas


def evaluate_images(
    annotations: COCO,
    found: Mapping[int, FoundPeople],
    sigmas: Sequence[float],
    areas: tuple[float, float] = (0, 1e10),
) -> list[ImageResult]:
    """Match the people of each image with labelled ones, as COCO does.

    Args:
        annotations: The labelled people.
        found: Those that were found, by image id; images that are not named are left out.
        sigmas: The dataset's, (K,).
        areas: Only people with an area from the first to the second count, in pixels.

    Returns:
        One result for each image, by sorted image id: COCO ranks equal scores in this order.

    Raises:
        ValueError: If an image id is unknown.
    """
    unknown = sorted(set(found) - set(annotations.getImgIds()))
    if unknown:
        raise ValueError(f"People were found in images that have no labels: image ids {unknown}.")
    evaluation = KeypointEvaluation(
        annotations, _as_results(annotations, found), "keypoints", np.array(sigmas)
    )
    evaluation.params.imgIds = list(found)
    (category,) = annotations.getCatIds(catNms=["person"]) or annotations.getCatIds()[:1]
    evaluation.params.catIds = [category]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(areas)], ["all"]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    return [_result_of(own, len(evaluation.params.iouThrs)) for own in evaluation.evalImgs]


def _as_results(annotations: COCO, found: Mapping[int, FoundPeople]) -> COCO:
    """What was found, as pycocotools holds results."""
    category = (annotations.getCatIds(catNms=["person"]) or annotations.getCatIds())[0]
    records: list[dict[str, Any]] = []
    for image, people in found.items():
        for keypoints, score in zip(people.keypoints, people.scores):
            flat = np.concatenate([keypoints, np.ones((len(keypoints), 1))], axis=1).ravel()
            left, top = keypoints.min(axis=0)
            width, height = np.ptp(keypoints, axis=0)
            records.append(
                dict(
                    id=len(records) + 1,
                    image_id=image,
                    category_id=category,
                    score=float(score),
                    keypoints=flat.tolist(),
                    num_keypoints=len(keypoints),
                    iscrowd=0,
                    area=float(width * height),
                    bbox=[left, top, width, height],
                )
            )
    return indexed(
        dict(
            images=annotations.dataset["images"],
            categories=annotations.dataset["categories"],
            annotations=records,
        )
    )


def _result_of(evaluated: Any, num_thresholds: int) -> ImageResult:
    if evaluated is None:  # neither anyone found nor anyone labelled
        none = np.zeros((num_thresholds, 0), bool)
        return ImageResult(np.zeros(0), none, none, 0)
    return ImageResult(
        np.array(evaluated["dtScores"], float),
        np.asarray(evaluated["dtMatches"]) >= 0,  # ids of annotations; -1 for none
        np.asarray(evaluated["dtIgnore"]) > 0,
        int((np.asarray(evaluated["gtIgnore"]) == 0).sum()),
    )


class Ranking:
    """The people of all images in order of their scores, for AP of any selection of images.

    Args:
        results: Those of all images.

    Examples:
        >>> no = np.zeros((1, 1), bool)
        >>> right, wrong = (ImageResult(np.ones(1), matched, no, 1) for matched in (~no, no))
        >>> ranking = Ranking([right, wrong])
        >>> ranking.average_precision(picked=np.array([0, 0])).tolist()
        [1.0]
    """

    def __init__(self, results: Sequence[ImageResult]) -> None:
        scores = np.concatenate([result.scores for result in results])
        order = np.argsort(-scores, kind="mergesort")
        counted = ~np.concatenate([result.ignored for result in results], axis=1)[:, order]
        matched = np.concatenate([result.matched for result in results], axis=1)[:, order]
        lengths = [len(result.scores) for result in results]
        self._image = np.repeat(np.arange(len(results)), lengths)[order]
        self._true, self._false = matched & counted, ~matched & counted
        self._num_people = np.array([result.num_people for result in results])

    def average_precision(self, picked: np.ndarray | None = None) -> np.ndarray:
        """COCO's AP at each OKS threshold, (T,); NaN where no one is labelled.

        Args:
            picked: Indices of the images that count, with repetitions; None: all once.
        """
        times = np.ones(len(self._num_people), int)
        if picked is not None:
            times = np.bincount(picked, minlength=len(times))
        num_people = int(self._num_people @ times)
        if not num_people:
            return np.full(len(self._true), np.nan)
        weights = times[self._image]
        true = np.cumsum(self._true * weights, axis=1)
        false = np.cumsum(self._false * weights, axis=1)
        return np.array([_area(t, f, num_people) for t, f in zip(true, false)])


def average_precision(results: Sequence[ImageResult]) -> np.ndarray:
    """COCO's AP of all images at each OKS threshold, (T,); NaN where no one is labelled."""
    return Ranking(results).average_precision()


def _area(true: np.ndarray, false: np.ndarray, num_people: int) -> float:
    """Mean over recall levels of the highest precision at this recall or a higher one."""
    precision = true / np.maximum(true + false, np.spacing(1))
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(true / num_people, _RECALLS, side="left")
    return float(np.where(reached < len(highest), np.append(highest, 0)[reached], 0).mean())
