"""AP by kind of person, and what each kind of error costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from xtcocotools.coco import COCO

from .per_image_ap import FoundPeople, average_precision, evaluate_images, labelled_people
from .pose_errors import KEYPOINT_CLASSES, Diagnosis, diagnose, matched_oks

#: COCO's areas of people, in pixels.
SIZES = {"medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}

#: Numbers of labelled people in an image.
CROWDING = {"1": (1, 1), "2 to 4": (2, 4), "5 to 9": (5, 9), "10 and more": (10, 10**9)}


@dataclass(frozen=True)
class Description:
    """What the analysis needs of a dataset.

    Attributes:
        sigmas: (K,), the standard deviations of labels.
        flip_indices: (K,), for each keypoint its like on the other side.
    """

    sigmas: Sequence[float]
    flip_indices: Sequence[int]


@dataclass(frozen=True)
class ImagePeople:
    """Found and labelled people of one image, and what is wrong.

    Attributes:
        found: Those that were found.
        labels: (N, K, 3), x, y and visibility of labelled people.
        areas: (N,).
        diagnosis: Of :func:`diagnose`.
        oks: (P,), of :func:`matched_oks`.
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


def image_people(
    annotations: COCO, found: Mapping[int, FoundPeople], description: Description
) -> dict[int, ImagePeople]:
    """What was found, beside what is labelled, by image id."""
    by_image = {}
    num_keypoints = len(description.sigmas)
    for image_id, people in found.items():
        labels, areas = labelled_people(annotations, image_id, num_keypoints)
        known = (labels, areas, description.sigmas)
        by_image[image_id] = ImagePeople(
            people,
            labels,
            areas,
            diagnose(people.keypoints, people.scores, *known, description.flip_indices),
            matched_oks(people.keypoints, *known),
        )
    return by_image


def ap_by_kind(
    annotations: COCO, by_image: Mapping[int, ImagePeople], sigmas: Sequence[float]
) -> dict[str, float]:
    """AP of all people, by their size, and by how many are in the image; NaN where none is."""
    found = {image_id: own.found for image_id, own in by_image.items()}
    figures = {"all": _ap(annotations, found, sigmas)}
    for name, areas in SIZES.items():
        figures[name] = _ap(annotations, found, sigmas, areas)
    for name, (fewest, most) in CROWDING.items():
        some = {
            image_id: people
            for image_id, people in found.items()
            if fewest <= len(by_image[image_id].labels) <= most
        }
        figures[f"{name} in the image"] = _ap(annotations, some, sigmas) if some else np.nan
    return figures


def people_by_kind(by_image: Mapping[int, ImagePeople]) -> dict[str, int]:
    """How many labelled people there are of each kind of :func:`ap_by_kind`."""
    areas = np.concatenate([np.zeros(0), *(own.areas for own in by_image.values())])
    numbers = {"all": len(areas)}
    for name, (least, largest) in SIZES.items():
        numbers[name] = int(((areas >= least) & (areas <= largest)).sum())
    for name, (fewest, most) in CROWDING.items():
        crowds = [len(own.labels) for own in by_image.values()]
        numbers[f"{name} in the image"] = sum(n for n in crowds if fewest <= n <= most)
    return numbers


def _ap(annotations: COCO, found: Mapping[int, FoundPeople], sigmas: Any, *areas: Any) -> float:
    return float(average_precision(evaluate_images(annotations, found, sigmas, *areas)).mean())


def ap_without(
    annotations: COCO, by_image: Mapping[int, ImagePeople], sigmas: Sequence[float]
) -> dict[str, float]:
    """AP if one kind of error were not there, each kind alone."""
    figures = {}
    for kind in KEYPOINT_CLASSES[1:]:
        fixed = {image_id: _put_right(own, kind) for image_id, own in by_image.items()}
        figures[kind] = _ap(annotations, fixed, sigmas)
    known = {
        image_id: _only(own, (own.diagnosis.person >= 0) | (own.oks > 0))
        for image_id, own in by_image.items()
    }
    figures["false positives"] = _ap(annotations, known, sigmas)
    complete = {image_id: _with_missed(own) for image_id, own in by_image.items()}
    figures["people who are missed"] = _ap(annotations, complete, sigmas)
    ranked = {image_id: replace(own.found, scores=own.oks) for image_id, own in by_image.items()}
    figures["order of scores"] = _ap(annotations, ranked, sigmas)
    return figures


def _put_right(people: ImagePeople, kind: str) -> FoundPeople:
    """People with the keypoints of one class of errors where they are labelled."""
    keypoints = people.found.keypoints.astype(float)
    person, k = np.nonzero(people.diagnosis.kinds == kind)
    keypoints[person, k] = people.labels[people.diagnosis.person[person], k, :2]
    return replace(people.found, keypoints=keypoints)


def _only(people: ImagePeople, kept: np.ndarray) -> FoundPeople:
    return FoundPeople(people.found.keypoints[kept], people.found.scores[kept])


def _with_missed(people: ImagePeople) -> FoundPeople:
    """People and, surest of all, those who were missed."""
    missed = np.setdiff1d(np.arange(len(people.labels)), people.diagnosis.person)
    keypoints = np.concatenate([people.found.keypoints, people.labels[missed, :, :2]])
    highest = people.found.scores.max(initial=1.0)
    return FoundPeople(
        keypoints, np.concatenate([people.found.scores, np.full(len(missed), highest)])
    )


def error_counts(by_image: Mapping[int, ImagePeople]) -> Counter[str]:
    """Errors of all images, by class."""
    counts: Counter[str] = Counter()
    for own in by_image.values():
        counts.update(own.diagnosis.counts())
    return counts


def errors_by_keypoint(by_image: Mapping[int, ImagePeople]) -> np.ndarray:
    """How often each keypoint is of each of :data:`KEYPOINT_CLASSES`, (K, 5)."""
    kinds = np.concatenate([own.diagnosis.kinds for own in by_image.values()])
    return np.stack([(kinds == kind).sum(axis=0) for kind in KEYPOINT_CLASSES], axis=1)
