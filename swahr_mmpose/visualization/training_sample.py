"""Drawing of what the network is trained on: an image after the pipeline, with its targets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .overlays import draw_heatmap
from .people_drawing import PERSON_COLORS, draw_people

#: Panels have a short side of at least so many pixels.
_LEAST_SIDE = 400

#: The colour of stripes over what does not count (red, green, blue).
_MASKED = (213, 94, 0)


def draw_training_sample(
    image: np.ndarray,
    keypoint_indices: np.ndarray,
    targets: Sequence[np.ndarray],
    masks: Sequence[np.ndarray] | None,
    skeleton: Sequence[Sequence[int]],
) -> np.ndarray:
    """Four panels: people and mask, both targets, and where each person's tags are read.

    Args:
        image: (H, W, 3) uint8, RGB; the network's input.
        keypoint_indices: (N, K, 2), y·W + x in the first target, and whether there is a keypoint.
        targets: Target heatmaps (K, h, w), of the coarsest resolution first.
        masks: Which pixels count, (h, w) for each target; None: all do.
        skeleton: Pairs of keypoint indices to draw lines between.

    Returns:
        Two rows of two panels with titles, uint8, RGB; small images are enlarged.

    Examples:
        >>> image, indices = np.zeros((400, 400, 3), np.uint8), np.array([[[5050, 1]]])
        >>> targets = np.zeros((1, 100, 100), np.float32), np.zeros((1, 200, 200), np.float32)
        >>> draw_training_sample(image, indices, targets, masks=None, skeleton=[]).shape
        (844, 804, 3)
    """
    zoom = max(1, -(-_LEAST_SIDE // min(image.shape[:2])))
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    cell = size[0] / targets[0].shape[2]
    columns = targets[0].shape[2]
    index, seen = np.moveaxis(np.asarray(keypoint_indices, np.int64), -1, 0)
    # the middle of the cell, in pixels of the panel
    places = (np.stack([index % columns, index // columns], axis=-1) + 0.5) * cell - 0.5
    people = _with_people(_with_mask(large, masks), places, seen, skeleton)
    panels = [_titled(people, "people (striped: does not count)")]
    for target in targets:
        stride = image.shape[1] // target.shape[2]
        panels.append(_titled(draw_heatmap(large, target), f"targets at stride {stride}"))
    panels.append(_titled(_with_cells(large, places, seen, cell), "where tags are read"))
    rows = [np.hstack(panels[start : start + 2]) for start in range(0, len(panels), 2)]
    return np.vstack(rows)


def _with_people(
    image: np.ndarray, places: np.ndarray, seen: np.ndarray, skeleton: Sequence[Sequence[int]]
) -> np.ndarray:
    drawn = draw_people(image[..., ::-1], places, seen, np.ones(len(places)), skeleton)
    return drawn[..., ::-1]


def _with_mask(image: np.ndarray, masks: Sequence[np.ndarray] | None) -> np.ndarray:
    """Stripes where the finest mask leaves pixels out."""
    if masks is None:
        return image
    height, width = image.shape[:2]
    finest = np.asarray(masks[-1], np.uint8)
    left_out = cv2.resize(finest, (width, height), interpolation=cv2.INTER_NEAREST) == 0
    row, column = np.mgrid[:height, :width]
    period = max(8, min(height, width) // 30)
    striped = left_out & ((row + column) % period < period / 2)
    drawn = image.copy()
    drawn[striped] = (0.3 * image[striped] + 0.7 * np.array(_MASKED)).astype(np.uint8)
    return drawn


def _with_cells(image: np.ndarray, places: np.ndarray, seen: np.ndarray, cell: float) -> np.ndarray:
    """The pixel of the tag map that each keypoint's tag is read from, and numbers of people."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    drawn = (0.45 * grey).astype(np.uint8)
    font, size = cv2.FONT_HERSHEY_SIMPLEX, min(image.shape[:2]) / 900
    line = max(1, round(1.5 * size))
    people = [person for person in range(len(places)) if seen[person].any()]
    for person in people:
        color = PERSON_COLORS[person % len(PERSON_COLORS)][::-1]
        for place in places[person][seen[person] > 0]:
            first, last = (np.rint(place + side * cell / 2).astype(int) for side in (-1, 1))
            cv2.rectangle(drawn, first.tolist(), (last - 1).tolist(), color, -1)
    for person in people:
        own = places[person][seen[person] > 0]
        x, y = own[own[:, 1].argmin()]
        # above the highest keypoint, and in the image
        corner = (int(x), int(max(y - 2 * cell, 30 * size)))
        for width, color in ((line + 3, (0, 0, 0)), (line, (255, 255, 255))):
            cv2.putText(drawn, str(person), corner, font, size, color, width, cv2.LINE_AA)
    return drawn


def _titled(panel: np.ndarray, title: str) -> np.ndarray:
    """The panel below its title, with a thin border."""
    size = min(panel.shape[:2]) / 800
    strip = np.zeros((round(40 * size), panel.shape[1], 3), np.uint8)
    place = (round(10 * size), round(28 * size))
    font, line = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(1.5 * size))
    cv2.putText(strip, title, place, font, 0.8 * size, (255, 255, 255), line, cv2.LINE_AA)
    return np.pad(np.vstack([strip, panel]), ((1, 1), (1, 1), (0, 0)))
