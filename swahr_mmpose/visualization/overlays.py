"""Maps that the network predicts, laid over the image (pure functions).

All take images as red, green and blue, and show them grey and dark below the colours. Maps are
the aggregated ones (``test_cfg.output_heatmaps``); ``to_map`` says where they lie in the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ..decoding.widths import relative_widths
from .people_drawing import PERSON_COLORS

#: How bright the image below is.
_DIMMED = 0.45

#: Heatmaps are opaque from this value on.
_OPAQUE_FROM = 0.4

#: Narrower, as wide as the base width, and wider: ends that people who are blind to some colours
#: tell apart (Okabe and Ito, 2008).
_NARROW, _SAME, _WIDE = (86, 180, 233), (245, 245, 245), (230, 120, 0)

#: The least factor that the ends of these colours stand for, so that noise stays pale.
_LEAST_SPREAD = 1.01

#: Tags and scales are drawn where some heatmap is higher than this.
_LIKELY = 0.1

#: A tag that is farther than this from a person's is not theirs.
_TAG_THR = 1.0

#: The colour of pixels that are no one's.
_NO_ONE = (255, 255, 255)


def image_to_map(
    map_size: tuple[int, int], input_center: np.ndarray, input_scale: np.ndarray
) -> np.ndarray:
    """The affine map from pixels of an image to those of the network input, and of its maps.

    The input may show a border beyond the image, which has no place in it.

    Args:
        map_size: (h, w) of the maps.
        input_center: x and y of the input's middle, in pixels of the image; in data samples.
        input_scale: Width and height that the input shows, in pixels of the image; likewise.

    Returns:
        (2, 3).

    Examples:
        >>> middle, part = np.array([100.0, 50.0]), np.array([200.0, 100.0])
        >>> image_to_map((64, 128), middle, part).round(2).tolist()
        [[0.64, 0.0, -0.5], [0.0, 0.64, -0.5]]
    """
    zoom = np.array(map_size[::-1]) / input_scale
    corner = np.asarray(input_center) - np.asarray(input_scale) / 2
    # a map's value is that of its pixel's centre, half a pixel from the corner
    return np.column_stack([np.diag(zoom), -corner * zoom - 0.5])


def draw_heatmap(
    image: np.ndarray, heatmaps: np.ndarray, to_map: np.ndarray | None = None
) -> np.ndarray:
    """Where keypoints are likely: the highest of all heatmaps, from purple (little) to yellow (1).

    Args:
        image: (H, W, 3) uint8, RGB.
        heatmaps: (K, h, w).
        to_map: (2, 3), of :func:`image_to_map`. None: the maps show the image and no more.

    Returns:
        (H, W, 3) uint8, RGB.

    Examples:
        >>> image = np.zeros((32, 32, 3), np.uint8)
        >>> draw_heatmap(image, np.ones((17, 16, 16), np.float32)).shape
        (32, 32, 3)
    """
    strength = np.clip(heatmaps.max(axis=0), 0, 1)
    levels = (255 * strength).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    return _laid_over(image, colors, np.minimum(strength / _OPAQUE_FROM, 1), to_map)


def draw_tag_map(
    image: np.ndarray,
    tags: np.ndarray,
    heatmaps: np.ndarray,
    keypoints: np.ndarray,
    keypoint_scores: np.ndarray,
    person_scores: np.ndarray,
    to_map: np.ndarray | None = None,
    person_thr: float = 0.3,
    keypoint_thr: float = 0.2,
) -> np.ndarray:
    """Whose each likely pixel is: the person's colour in ``draw_people`` whose tag is nearest.

    A pixel's tag is that of the keypoint whose heatmap is highest there, a person's the mean over
    keypoints. Pixels that are near to no one's are white.

    Args:
        image: (H, W, 3) uint8, RGB.
        tags: (L·K, h, w), channel ``l * K + k``.
        heatmaps: (K, h, w).
        keypoints: (P, K, 2), x and y in pixels of the image.
        keypoint_scores: (P, K).
        person_scores: (P,).
        to_map: As for :func:`draw_heatmap`.
        person_thr: People of lower score own no pixels.
        keypoint_thr: Keypoints of lower score don't count for their person's tag.

    Returns:
        (H, W, 3) uint8, RGB.

    Examples:
        >>> image, maps = np.zeros((64, 64, 3), np.uint8), np.ones((17, 32, 32), np.float32)
        >>> people = np.zeros((1, 17, 2)), np.ones((1, 17)), np.ones(1)
        >>> draw_tag_map(image, maps, maps, *people).shape
        (64, 64, 3)
    """
    num_keypoints, height, width = heatmaps.shape
    by_keypoint = tags.reshape(-1, num_keypoints, height, width)
    strength = heatmaps.max(axis=0)
    y, x = np.nonzero(strength > _LIKELY)
    pixel_tags = by_keypoint[:, heatmaps[:, y, x].argmax(axis=0), y, x]

    in_map = _to_map_or_stretched(image, heatmaps, to_map)
    nearest = np.full(len(x), _TAG_THR, np.float64)
    colors = np.full((height, width, 3), _NO_ONE, np.uint8)
    pixel_colors = np.full((len(x), 3), _NO_ONE, np.uint8)
    for person in np.flatnonzero(np.asarray(person_scores) >= person_thr):
        seen = np.asarray(keypoint_scores[person]) >= keypoint_thr
        if not seen.any():
            continue
        places = keypoints[person][seen] @ in_map[:, :2].T + in_map[:, 2]
        column, row = np.clip(np.rint(places).astype(int), 0, [width - 1, height - 1]).T
        own = by_keypoint[:, np.flatnonzero(seen), row, column].mean(axis=1)
        distance = np.linalg.norm(pixel_tags - own[:, None], axis=0)
        closer = distance < nearest
        nearest[closer] = distance[closer]
        pixel_colors[closer] = PERSON_COLORS[int(person) % len(PERSON_COLORS)][::-1]
    colors[y, x] = pixel_colors
    opacity = np.where(strength > _LIKELY, 0.5 + np.clip(strength, 0, 1) / 2, 0)
    return _laid_over(image, colors, opacity, to_map)


def draw_scale_map(
    image: np.ndarray,
    scales: np.ndarray,
    heatmaps: np.ndarray,
    to_map: np.ndarray | None = None,
) -> np.ndarray:
    """How wide the scale branch takes keypoints to be: 1/√(1+α), in multiples of the base width.

    Blue is narrower than the base width, orange wider, white the same. The bar in the corner says
    what its ends stand for; they fit the image.

    Args:
        image: (H, W, 3) uint8, RGB.
        scales: (K, h, w), α.
        heatmaps: (K, h, w). Of the keypoints, α is that of the highest.
        to_map: As for :func:`draw_heatmap`.

    Returns:
        (H, W, 3) uint8, RGB.

    Examples:
        >>> image, maps = np.zeros((64, 64, 3), np.uint8), np.ones((17, 32, 32), np.float32)
        >>> draw_scale_map(image, 0.1 * maps, maps).shape
        (64, 64, 3)
    """
    strength = heatmaps.max(axis=0)
    alpha = np.take_along_axis(scales, heatmaps.argmax(axis=0)[None], axis=0)[0]
    steps = np.log(relative_widths(alpha))
    shown = strength > _LIKELY
    largest = float(np.abs(steps[shown]).max()) if shown.any() else 0.0
    spread = max(largest, float(np.log(_LEAST_SPREAD)))
    opacity = np.where(shown, 0.5 + np.clip(strength, 0, 1) / 2, 0)
    drawn = _laid_over(image, _diverging(steps / spread), opacity, to_map)
    return _with_bar(drawn, float(np.exp(spread)))


def draw_map(
    name: str,
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    people: Sequence[np.ndarray],
    to_map: np.ndarray | None,
    person_thr: float,
    keypoint_thr: float,
) -> np.ndarray:
    """One of the maps over the image, by its name.

    Args:
        name: ``'heatmaps'``, ``'tags'`` or ``'scales'``.
        image: (H, W, 3) uint8, RGB.
        maps: The predicted fields by name: the one that is drawn, and the heatmaps.
        people: For ``'tags'``: keypoints, their scores and people's, as for :func:`draw_tag_map`.
        to_map: As for :func:`draw_heatmap`.
        person_thr: As for :func:`draw_tag_map`.
        keypoint_thr: Likewise.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    heatmaps = maps["heatmaps"]
    if name == "heatmaps":
        return draw_heatmap(image, heatmaps, to_map)
    if name == "scales":
        return draw_scale_map(image, maps["scales"], heatmaps, to_map)
    keypoints, keypoint_scores, person_scores = people
    return draw_tag_map(
        image, maps["tags"], heatmaps, keypoints, keypoint_scores, person_scores, to_map,
        person_thr, keypoint_thr,
    )  # fmt: skip


def _to_map_or_stretched(
    image: np.ndarray, maps: np.ndarray, to_map: np.ndarray | None
) -> np.ndarray:
    """``to_map``, or the affine map that stretches the maps over the image."""
    if to_map is not None:
        return np.asarray(to_map, np.float64)
    height, width = image.shape[:2]
    zoom = np.array([maps.shape[-1] / width, maps.shape[-2] / height])
    # pixel centres are at half integers
    return np.column_stack([np.diag(zoom), zoom / 2 - 0.5])


def _laid_over(
    image: np.ndarray, colors: np.ndarray, opacity: np.ndarray, to_map: np.ndarray | None
) -> np.ndarray:
    """Colours (h, w, 3) of an opacity (h, w) over the image, grey and dark."""
    veil = np.concatenate([colors * opacity[..., None], opacity[..., None]], axis=-1)
    in_map = _to_map_or_stretched(image, veil[..., 0], to_map)
    veil = cv2.warpAffine(
        veil.astype(np.float32),
        in_map,
        image.shape[1::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    below = _DIMMED * cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    drawn: np.ndarray = np.rint(below * (1 - veil[..., 3:]) + veil[..., :3])
    return np.clip(drawn, 0, 255).astype(np.uint8)


def _diverging(values: np.ndarray) -> np.ndarray:
    """Colours (…, 3) of values from −1 to 1."""
    share = np.abs(np.clip(values, -1, 1))[..., None]
    ends = np.where(values[..., None] < 0, _NARROW, _WIDE)
    return (1 - share) * np.array(_SAME) + share * ends


def _with_bar(image: np.ndarray, spread: float) -> np.ndarray:
    """The image with a bar of the colours, and the factors at its ends, in its lower corner."""
    height, width = image.shape[:2]
    unit = max(6, round(0.02 * min(height, width)))
    font, size, line = cv2.FONT_HERSHEY_SIMPLEX, unit / 20, max(1, unit // 12)
    ends = [f"x{1 / spread:.2f}", f"x{spread:.2f}"]
    (text_width, text_height), _ = cv2.getTextSize(ends[0], font, size, line)
    bar = np.linspace(-1, 1, 6 * unit)
    total = (2 * text_width + len(bar) + 4 * unit, text_height + unit)
    if total[0] > width or total[1] > height:
        return image
    plate = np.zeros((total[1], total[0], 3), np.uint8)
    left = text_width + 2 * unit
    plate[unit // 2 : -(unit // 2), left : left + len(bar)] = _diverging(bar)
    baseline = unit // 2 + text_height
    for text, x in zip(ends, (unit, left + len(bar) + unit)):
        cv2.putText(plate, text, (x, baseline), font, size, (255, 255, 255), line, cv2.LINE_AA)
    drawn = image.copy()
    drawn[height - total[1] :, : total[0]] = plate
    return drawn
