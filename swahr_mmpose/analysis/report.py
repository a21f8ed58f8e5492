"""The HTML page that shows where AP is lost; it opens without a server."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from xtcocotools.coco import COCO

from ..images.files import read_annotated
from ..visualization.people_drawing import PERSON_COLORS, draw_people
from .breakdown import (
    ImagePeople,
    ap_by_kind,
    ap_without,
    error_counts,
    errors_by_keypoint,
    people_by_kind,
)
from .pose_errors import KEYPOINT_CLASSES, PERSON_CLASSES

#: Images on the page have a long side of at most so many pixels.
_LONG_SIDE = 480

#: Found people, and their keypoints, of lower scores are not drawn. False positives among them
#: cost little, and what was filled in for missing keypoints hides the rest.
_PERSON_THR, _KEYPOINT_THR = 0.3, 0.2

#: Lines and keypoints are so many times as wide as elsewhere, so that people are seen behind them.
_THIN = 0.6

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)


def analysis_page(
    name: str,
    annotations: COCO,
    by_image: Mapping[int, ImagePeople],
    keypoint_scores: Mapping[int, np.ndarray],
    meta: Mapping[str, Any],
    folder: Path,
    worst: Iterable[int],
) -> str:
    """The whole page.

    Args:
        name: What was analyzed.
        annotations: The labelled people.
        by_image: Found and labelled people by image id.
        keypoint_scores: (P, K) of the found people, by image id.
        meta: The dataset's description, as MMPose parses it.
        folder: Of the images.
        worst: Image ids of those that are drawn.

    Raises:
        ImageError: If an image can't be read.
    """
    by_kind, numbers = ap_by_kind(annotations, by_image, meta["sigmas"]), people_by_kind(by_image)
    return _PAGES.get_template("report.html.jinja").render(
        name=name,
        ap=by_kind["all"],
        num_images=len(by_image),
        num_all_images=len(annotations.imgs),
        num_empty=sum(not len(own.found.scores) for own in by_image.values()),
        num_labelled=numbers["all"],
        num_found=sum(len(own.found.scores) for own in by_image.values()),
        kinds=[(kind, numbers[kind], _shown(ap)) for kind, ap in by_kind.items()],
        shown=_shown,
        without=ap_without(annotations, by_image, meta["sigmas"]),
        people_errors=[(kind, error_counts(by_image)[kind]) for kind in PERSON_CLASSES],
        keypoint_classes=list(KEYPOINT_CLASSES),
        keypoint_errors=_keypoint_errors(by_image, meta),
        num_colors=len(PERSON_COLORS),
        person_thr=_PERSON_THR,
        keypoint_thr=_KEYPOINT_THR,
        figures=[
            _figure(by_image[own], keypoint_scores[own], annotations.imgs[own], folder, meta)
            for own in worst
        ],
    )


def _shown(ap: float) -> str:
    return "–" if np.isnan(ap) else f"{ap:.3f}"


def _keypoint_errors(
    by_image: Mapping[int, ImagePeople], meta: Mapping[str, Any]
) -> list[list[str]]:
    """The share of each class of errors: of all keypoints, and of each."""
    counts = errors_by_keypoint(by_image)
    names = [meta["keypoint_id2name"][k].replace("_", " ") for k in range(meta["num_keypoints"])]
    rows = zip(["all", *names], [counts.sum(axis=0), *counts])
    return [[name, *(f"{100 * n / max(1, row.sum()):.1f} %" for n in row)] for name, row in rows]


def _figure(
    people: ImagePeople,
    keypoint_scores: np.ndarray,
    info: Mapping[str, Any],
    folder: Path,
    meta: Mapping[str, Any],
) -> dict[str, Any]:
    """Found people beside the labelled ones."""
    image = read_annotated(folder, info)
    factor = min(1.0, _LONG_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)

    def drawn(keypoints: np.ndarray, scores: np.ndarray, people_scores: np.ndarray) -> str:
        return _inline(
            draw_people(
                small, keypoints, scores, people_scores, meta["skeleton_links"],
                person_thr=_PERSON_THR, keypoint_thr=_KEYPOINT_THR,
                line_scale=_THIN, point_scale=_THIN,
            )
        )  # fmt: skip

    visible = np.minimum(people.labels[..., 2], 1)
    labelled = people.labels[..., :2] * factor, visible, np.ones(len(people.labels))
    counts = people.diagnosis.counts()
    return dict(
        sides=dict(
            found=drawn(*_in_order_of_labels(people, keypoint_scores, factor)),
            labelled=drawn(*labelled),
        ),
        file_name=info["file_name"],
        id=info["id"],
        people=", ".join(f"{counts[kind]} {kind}" for kind in PERSON_CLASSES),
        keypoints=", ".join(f"{counts[kind]} {kind}" for kind in KEYPOINT_CLASSES),
    )


def _in_order_of_labels(
    people: ImagePeople, keypoint_scores: np.ndarray, factor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints, their scores and people's: first who each labelled one is, then the others.

    They are drawn in the colours of the labelled people so. Who was not found has no score.
    """
    rows, number = people.diagnosis.person.copy(), len(people.labels)
    strangers = np.flatnonzero(rows < 0)
    rows[strangers] = number + np.arange(len(strangers))
    length = number + len(strangers)
    keypoints = np.zeros((length, people.labels.shape[1], 2))
    scores, people_scores = np.zeros(keypoints.shape[:2]), np.full(length, -1.0)
    keypoints[rows] = people.found.keypoints * factor
    scores[rows] = keypoint_scores
    people_scores[rows] = people.found.scores
    return keypoints, scores, people_scores


def _inline(image: np.ndarray) -> str:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()
