"""COCO annotations of the people in a scene."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from .body import KEYPOINTS
from .scene import Scene, ScenePerson

#: COCO's per-keypoint standard deviations of annotators, relative to the square root of the area.
COCO_SIGMAS = (
    np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000.0
)

#: People that cover less have no keypoints in COCO.
_SMALLEST_LABELLED_AREA = 32**2

#: People of whom less shows have no keypoints.
_SMALLEST_VISIBLE_FRACTION = 0.15

_FACE = slice(0, 3)


def annotate_person(
    scene: Scene, person: ScenePerson, rng: np.random.Generator, label_noise: float = 0.0
) -> dict[str, Any] | None:
    """The COCO annotation of one person, less the ids; None if nothing of it is seen.

    Keypoints outside the image have visibility 0, hidden ones 1, seen ones 2. People of whom
    little is seen, or who are small, have no keypoints, as in COCO.

    Args:
        scene: The scene.
        person: One of its people.
        rng: For the label noise.
        label_noise: Standard deviation of the noise on keypoints, as a multiple of COCO's
            per-keypoint deviation, 2·σ_k·√area: proportional to the person's size.
    """
    mask = scene.owner == person.owner
    area = int(mask.sum())
    if not area:
        return None
    keypoints, visible = _labelled_keypoints(scene, person)
    too_small = area < _SMALLEST_LABELLED_AREA
    if too_small or area < _SMALLEST_VISIBLE_FRACTION * person.silhouette_area:
        visible[:] = 0
    noise = rng.normal(size=keypoints.shape) * label_noise
    keypoints = keypoints + noise * 2 * COCO_SIGMAS[:, None] * np.sqrt(area)
    h, w = mask.shape
    keypoints = np.clip(keypoints, 0, (w - 1, h - 1))
    keypoints[visible == 0] = 0
    return dict(
        category_id=1,
        iscrowd=0,
        keypoints=np.column_stack([keypoints.round(1), visible]).ravel().tolist(),
        num_keypoints=int((visible > 0).sum()),
        area=float(area),
        bbox=_box(mask),
        segmentation=_polygons(mask),
    )


def crowd_annotation(scene: Scene) -> dict[str, Any] | None:
    """The COCO annotation of the crowd region, run-length encoded; None without a crowd."""
    members = [person.owner for person in scene.people if person.in_crowd]
    mask = np.isin(scene.owner, members)
    if not mask.any():
        return None
    return dict(
        category_id=1,
        iscrowd=1,
        keypoints=[0] * (3 * len(KEYPOINTS)),
        num_keypoints=0,
        area=float(mask.sum()),
        bbox=_box(mask),
        segmentation=dict(size=list(mask.shape), counts=_run_lengths(mask)),
    )


def _labelled_keypoints(scene: Scene, person: ScenePerson) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (17, 2) in pixels and their visibility (17,)."""
    h, w = scene.owner.shape
    x, y = np.floor(person.keypoints).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    seen = inside.copy()
    seen[inside] = scene.owner[y[inside], x[inside]] == person.owner
    if person.faces_away:
        seen[_FACE] = False
    return person.keypoints.copy(), inside.astype(int) + seen.astype(int)


def _box(mask: np.ndarray) -> list[float]:
    """Left, top, width and height."""
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    return [float(x), float(y), float(w), float(h)]


def _polygons(mask: np.ndarray) -> list[list[float]]:
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    # COCO's tools need three points at least
    outlines = [contour.ravel().astype(float).tolist() for contour in contours if len(contour) >= 3]
    if outlines:
        return outlines
    x, y, w, h = _box(mask)
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def _run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed encoding: lengths of runs, column by column, background first."""
    flat = mask.ravel(order="F").astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return np.diff([0, *edges, flat.size]).tolist()
