"""People drawn into an image: skeletons by confidence, keypoint widths as circles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

import cv2
import numpy as np

#: One per person, in turn: blue, green and red of the colours of Okabe and Ito (2008), which people
#: who are blind to some colours tell apart. Black and the one nearest to another are left out.
PERSON_COLORS = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)

#: Limbs of the lowest score that is drawn are this opaque.
_FAINTEST = 0.35

#: Width of a line relative to the size of the person, and the least in pixels.
_LINE_WIDTH, _THINNEST = 0.02, 2.0

#: Coordinates are given to OpenCV in sixteenths of a pixel.
_BITS = 4


def draw_people(
    image: np.ndarray,
    keypoints: np.ndarray,
    keypoint_scores: np.ndarray,
    person_scores: np.ndarray,
    skeleton: Sequence[Sequence[int]],
    widths: np.ndarray | None = None,
    person_thr: float = 0.3,
    keypoint_thr: float = 0.2,
    zoom: int = 1,
    line_scale: float = 1.0,
    point_scale: float = 1.0,
) -> np.ndarray:
    """The image with people in it, the most certain on top.

    The surer a keypoint, the more opaque and the wider its limbs; large people have wider lines.

    Args:
        image: (H, W, 3) uint8, BGR.
        keypoints: (P, K, 2), x and y in pixels of the image.
        keypoint_scores: (P, K).
        person_scores: (P,).
        skeleton: Pairs of keypoint indices to draw lines between.
        widths: (P, K), standard deviations in pixels of the image, drawn as circles.
        person_thr: People of lower score are left out.
        keypoint_thr: Keypoints of lower score are left out.
        zoom: The result is so many times as large, which makes small images legible.
        line_scale: Lines are so many times as wide.
        point_scale: Keypoints are so many times as large.

    Returns:
        (zoom·H, zoom·W, 3) uint8.

    Examples:
        >>> image, keypoints = np.zeros((64, 64, 3), np.uint8), np.array([[[10.0, 10], [50, 50]]])
        >>> drawn = draw_people(image, keypoints, np.ones((1, 2)), np.ones(1), [(0, 1)])
        >>> bool(drawn.any()), bool(image.any())
        (True, False)
    """
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if zoom > 1 else image.copy()
    # pixel centres are at half integers when an image is resized
    places = (np.asarray(keypoints, np.float64) + 0.5) * zoom - 0.5
    for person in np.argsort(person_scores):
        if person_scores[person] < person_thr:
            continue
        color = PERSON_COLORS[int(person) % len(PERSON_COLORS)]
        scores = np.asarray(keypoint_scores[person])
        seen = scores >= keypoint_thr
        if not seen.any():
            continue
        extent = np.ptp(places[person][seen], axis=0).max()
        fitting = max(_THINNEST, _LINE_WIDTH * extent)
        line = line_scale * fitting
        for a, b in skeleton:
            if seen[a] and seen[b]:
                sure = min(scores[a], scores[b])
                _limb(drawn, places[person, [a, b]], color, line * (0.5 + sure / 2), sure)
        for k in np.flatnonzero(seen):
            if widths is None:
                _disc(drawn, places[person, k], 0.9 * fitting * point_scale, color, scores[k])
            else:
                _ring(drawn, places[person, k], widths[person, k] * zoom, color, scores[k])
    return drawn


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    person_scores: np.ndarray,
    person_thr: float = 0.3,
    line_scale: float = 1.0,
) -> np.ndarray:
    """The image with boxes around people, in the colours of :func:`draw_people`.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (P, 4), the left, upper, right and lower side in pixels of the image.
        person_scores: (P,).
        person_thr: People of lower score are left out.
        line_scale: Lines are so many times as wide.

    Returns:
        (H, W, 3) uint8.

    Examples:
        >>> image, boxes = np.zeros((64, 64, 3), np.uint8), np.array([[8.0, 8, 40, 50]])
        >>> draw_boxes(image, boxes, np.ones(1)).shape
        (64, 64, 3)
    """
    drawn = image.copy()
    for person in np.flatnonzero(np.asarray(person_scores) >= person_thr):
        left, upper, right, lower = np.asarray(boxes[person], np.float64).tolist()
        fitting = max(_THINNEST, _LINE_WIDTH * max(right - left, lower - upper)) / 2
        corners = np.array([(left, upper), (right, upper), (right, lower), (left, lower)])
        cv2.polylines(
            drawn,
            [np.round(corners * 2**_BITS).astype(np.int32)],
            isClosed=True,
            color=PERSON_COLORS[int(person) % len(PERSON_COLORS)],
            thickness=max(1, round(line_scale * fitting)),
            lineType=cv2.LINE_AA,
            shift=_BITS,
        )
    return drawn


def _opacity(score: float) -> float:
    return _FAINTEST + (1 - _FAINTEST) * float(np.clip(score, 0, 1))


def _laid_over(
    drawn: np.ndarray,
    places: np.ndarray,
    margin: float,
    opacity: float,
    draw: Callable[[np.ndarray, np.ndarray], object],
) -> None:
    """Draw on a copy of the part of the image around some places, and lay it over the image.

    Args:
        drawn: The image, changed in place.
        places: (M, 2), x and y in its pixels.
        margin: How far from them is drawn, in pixels.
        opacity: Of what is drawn.
        draw: Called with the copy and the places in it, in OpenCV's fixed point.
    """
    size = drawn.shape[1::-1]
    low = np.clip(np.floor(places.min(axis=0) - margin).astype(int), 0, size)
    high = np.clip(np.ceil(places.max(axis=0) + margin + 1).astype(int), 0, size)
    part = drawn[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return
    copy = part.copy()
    draw(copy, np.round((places - low) * 2**_BITS).astype(int))
    cv2.addWeighted(copy, opacity, part, 1 - opacity, 0, part)


def _limb(
    drawn: np.ndarray, ends: np.ndarray, color: tuple[int, int, int], width: float, score: float
) -> None:
    def draw(copy: np.ndarray, places: np.ndarray) -> None:
        start, end = places.tolist()
        cv2.line(copy, start, end, color, max(1, round(width)), cv2.LINE_AA, _BITS)

    _laid_over(drawn, ends, width, _opacity(score), draw)


def _disc(
    drawn: np.ndarray, place: np.ndarray, radius: float, color: tuple[int, int, int], score: float
) -> None:
    """A keypoint: a disc with a white rim."""

    def draw(copy: np.ndarray, places: np.ndarray) -> None:
        fixed = round(radius * 2**_BITS)
        cv2.circle(copy, places[0].tolist(), fixed, (255, 255, 255), -1, cv2.LINE_AA, _BITS)
        cv2.circle(copy, places[0].tolist(), round(0.7 * fixed), color, -1, cv2.LINE_AA, _BITS)

    _laid_over(drawn, place[None], radius, _opacity(score), draw)


def _ring(
    drawn: np.ndarray, place: np.ndarray, radius: float, color: tuple[int, int, int], score: float
) -> None:
    """A keypoint's width: a circle, its inside faint."""
    fixed = max(1, round(radius * 2**_BITS))

    def fill(copy: np.ndarray, places: np.ndarray) -> None:
        cv2.circle(copy, places[0].tolist(), fixed, color, -1, cv2.LINE_AA, _BITS)

    def outline(copy: np.ndarray, places: np.ndarray) -> None:
        cv2.circle(copy, places[0].tolist(), fixed, (255, 255, 255), 2, cv2.LINE_AA, _BITS)
        cv2.circle(copy, places[0].tolist(), fixed, color, 1, cv2.LINE_AA, _BITS)

    _laid_over(drawn, place[None], radius, 0.45, fill)
    _laid_over(drawn, place[None], radius + 2, _opacity(score), outline)
