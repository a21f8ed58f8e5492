"""Where people are found and where they are not: AP by kind of person, and what errors cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from xtcocotools.coco import COCO

from .per_image_ap import FoundPeople, average_precision, evaluate_pictures, labelled_people
from .pose_errors import KEYPOINT_CLASSES, Diagnosis, diagnose, matched_oks

#: COCO's areas of people, in pixels.
SIZES = {"medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}

#: Numbers of labelled people in a picture.
CROWDING = {"1": (1, 1), "2 to 4": (2, 4), "5 to 9": (5, 9), "10 and more": (10, 10**9)}


@dataclass(frozen=True)
class Description:
    """What is to be known of a dataset.

    Attributes:
        sigmas: (K,), the standard deviations of labels.
        flip_indices: (K,), for each keypoint its like on the other side.
    """

    sigmas: Sequence[float]
    flip_indices: Sequence[int]


@dataclass(frozen=True)
class PicturePeople:
    """Found and labelled people of one picture, and what is wrong.

    Attributes:
        found: Those that were found.
        labels: (N, K, 3), x, y and visibility of labelled people.
        areas: (N,).
        diagnosis: Of :func:`diagnose`.
        oks: (P,), of :func:`matched_oks`.

    Examples:
        >>> diagnosis = Diagnosis(np.array([0]), np.array([["good"]]), np.array([False]), 2)
        >>> found = FoundPeople(np.zeros((1, 1, 2)), np.array([0.9]))
        >>> PicturePeople(found, np.ones((2, 1, 3)), np.ones(2), diagnosis, np.array([0.75])).lost
        1.25
    """

    found: FoundPeople
    labels: np.ndarray
    areas: np.ndarray
    diagnosis: Diagnosis
    oks: np.ndarray

    @property
    def lost(self) -> float:
        """What is missing to an OKS of 1 for each label, and the scores of false positives."""
        false = float(self.found.scores[self.diagnosis.person < 0].sum())
        return len(self.labels) - float(self.oks.sum()) + false


def picture_people(
    annotations: COCO, found: Mapping[int, FoundPeople], description: Description
) -> dict[int, PicturePeople]:
    """What was found, beside what is labelled, by image id."""
    pictures = {}
    num_keypoints = len(description.sigmas)
    for image, people in found.items():
        labels, areas = labelled_people(annotations, image, num_keypoints)
        known = (labels, areas, description.sigmas)
        pictures[image] = PicturePeople(
            people,
            labels,
            areas,
            diagnose(people.keypoints, people.scores, *known, description.flip_indices),
            matched_oks(people.keypoints, *known),
        )
    return pictures


def ap_by_kind(
    annotations: COCO, pictures: Mapping[int, PicturePeople], sigmas: Sequence[float]
) -> dict[str, float]:
    """AP of all people, by their size, and by how many are in the picture; NaN where none is."""
    found = {image: picture.found for image, picture in pictures.items()}
    figures = {"all": _ap(annotations, found, sigmas)}
    for name, areas in SIZES.items():
        figures[name] = _ap(annotations, found, sigmas, areas)
    for name, (fewest, most) in CROWDING.items():
        some = {
            image: people
            for image, people in found.items()
            if fewest <= len(pictures[image].labels) <= most
        }
        figures[f"{name} in the picture"] = _ap(annotations, some, sigmas) if some else np.nan
    return figures


def people_by_kind(pictures: Mapping[int, PicturePeople]) -> dict[str, int]:
    """How many labelled people there are of each kind of :func:`ap_by_kind`.

    Examples:
        >>> found = FoundPeople(np.zeros((0, 17, 2)), np.zeros(0))
        >>> nothing = Diagnosis(np.zeros(0, int), np.zeros((0, 17), str), np.zeros(0, bool), 2)
        >>> labels, areas = np.ones((2, 17, 3)), np.array([2000.0, 20000.0])
        >>> numbers = people_by_kind({1: PicturePeople(found, labels, areas, nothing, np.zeros(0))})
        >>> numbers["all"], numbers["medium"], numbers["2 to 4 in the picture"]
        (2, 1, 2)
    """
    areas = np.concatenate([np.zeros(0), *(picture.areas for picture in pictures.values())])
    numbers = {"all": len(areas)}
    for name, (least, largest) in SIZES.items():
        numbers[name] = int(((areas >= least) & (areas <= largest)).sum())
    for name, (fewest, most) in CROWDING.items():
        crowds = [len(picture.labels) for picture in pictures.values()]
        numbers[f"{name} in the picture"] = sum(n for n in crowds if fewest <= n <= most)
    return numbers


def _ap(annotations: COCO, found: Mapping[int, FoundPeople], sigmas: Any, *areas: Any) -> float:
    return float(average_precision(evaluate_pictures(annotations, found, sigmas, *areas)).mean())


def ap_without(
    annotations: COCO, pictures: Mapping[int, PicturePeople], sigmas: Sequence[float]
) -> dict[str, float]:
    """AP if one kind of error were not there, each kind alone."""
    figures = {}
    for kind in KEYPOINT_CLASSES[1:]:
        mended = {image: _put_right(picture, kind) for image, picture in pictures.items()}
        figures[kind] = _ap(annotations, mended, sigmas)
    known = {
        image: _only(own, (own.diagnosis.person >= 0) | (own.oks > 0))
        for image, own in pictures.items()
    }
    figures["false positives"] = _ap(annotations, known, sigmas)
    complete = {image: _with_missed(picture) for image, picture in pictures.items()}
    figures["people who are missed"] = _ap(annotations, complete, sigmas)
    ranked = {image: replace(own.found, scores=own.oks) for image, own in pictures.items()}
    figures["order of scores"] = _ap(annotations, ranked, sigmas)
    return figures


def _put_right(picture: PicturePeople, kind: str) -> FoundPeople:
    """People with the keypoints of one class of errors where they are labelled."""
    keypoints = picture.found.keypoints.astype(float)
    person, k = np.nonzero(picture.diagnosis.kinds == kind)
    keypoints[person, k] = picture.labels[picture.diagnosis.person[person], k, :2]
    return replace(picture.found, keypoints=keypoints)


def _only(picture: PicturePeople, kept: np.ndarray) -> FoundPeople:
    return FoundPeople(picture.found.keypoints[kept], picture.found.scores[kept])


def _with_missed(picture: PicturePeople) -> FoundPeople:
    """People and, surest of all, those who were missed."""
    missed = np.setdiff1d(np.arange(len(picture.labels)), picture.diagnosis.person)
    keypoints = np.concatenate([picture.found.keypoints, picture.labels[missed, :, :2]])
    highest = picture.found.scores.max(initial=1.0)
    return FoundPeople(
        keypoints, np.concatenate([picture.found.scores, np.full(len(missed), highest)])
    )


def error_counts(pictures: Mapping[int, PicturePeople]) -> Counter[str]:
    """Errors of all pictures, by class.

    Examples:
        >>> kinds = np.array([["good", "miss", "miss"]])
        >>> diagnosis = Diagnosis(np.array([0]), kinds, np.array([False]), num_labelled=1)
        >>> found = FoundPeople(np.zeros((1, 3, 2)), np.array([0.9]))
        >>> picture = PicturePeople(found, np.ones((1, 3, 3)), np.ones(1), diagnosis, np.ones(1))
        >>> error_counts({1: picture})["miss"]
        2
    """
    counts: Counter[str] = Counter()
    for picture in pictures.values():
        counts.update(picture.diagnosis.counts())
    return counts


def errors_by_keypoint(pictures: Mapping[int, PicturePeople]) -> np.ndarray:
    """How often each keypoint is of each of :data:`KEYPOINT_CLASSES`, (K, 5).

    Examples:
        >>> kinds = np.array([["good", "miss"]])
        >>> diagnosis = Diagnosis(np.array([0]), kinds, np.array([False]), num_labelled=1)
        >>> found = FoundPeople(np.zeros((1, 2, 2)), np.array([0.9]))
        >>> picture = PicturePeople(found, np.ones((1, 2, 3)), np.ones(1), diagnosis, np.ones(1))
        >>> errors_by_keypoint({1: picture}).tolist()
        [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]
    """
    kinds = np.concatenate([picture.diagnosis.kinds for picture in pictures.values()])
    return np.stack([(kinds == kind).sum(axis=0) for kind in KEYPOINT_CLASSES], axis=1)
