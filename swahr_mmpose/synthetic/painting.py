"""Paints figures and clutter, and records who is visible at each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Tuple

import cv2
import numpy as np

from .body import HEAD_RADIUS, KEYPOINTS, PersonPose

_SUBPIXEL_BITS = 4

Color = Tuple[int, int, int]


@dataclass
class Canvas:
    """An image and, for each of its pixels, the number of the person seen there.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        owner: (H, W) int32, 0 where no person is seen.

    Examples:
        >>> canvas = Canvas.blank((64, 48))
        >>> canvas.disc(np.array([20, 20]), 5, (0, 0, 255), owner=1)
        >>> int(canvas.owner[20, 20]), int(canvas.owner[20, 30])
        (1, 0)
    """

    image: np.ndarray
    owner: np.ndarray

    @classmethod
    def blank(cls, size: tuple[int, int]) -> Canvas:
        """A black canvas of ``size`` (w, h) pixels."""
        w, h = size
        return cls(np.zeros((h, w, 3), np.uint8), np.zeros((h, w), np.int32))

    def limb(self, points: np.ndarray, thickness: float, color: Color, owner: int) -> None:
        """A line through ``points`` (M, 2), in pixels, with round ends."""
        width = max(1, round(thickness))
        for target, value, line in self._targets(color, owner):
            cv2.polylines(target, [_fixed(points)], False, value, width, line, _SUBPIXEL_BITS)

    def polygon(self, points: np.ndarray, color: Color, owner: int) -> None:
        """A filled polygon through ``points`` (M, 2), in pixels."""
        for target, value, line in self._targets(color, owner):
            cv2.fillPoly(target, [_fixed(points)], value, line, _SUBPIXEL_BITS)

    def disc(self, center: np.ndarray, radius: float, color: Color, owner: int) -> None:
        """A filled circle, in pixels."""
        x, y = _fixed(center)
        fixed_radius = max(1, round(radius * 2**_SUBPIXEL_BITS))
        for target, value, line in self._targets(color, owner):
            cv2.circle(target, (int(x), int(y)), fixed_radius, value, -1, line, _SUBPIXEL_BITS)

    def _targets(self, color: Color, owner: int) -> Iterator[tuple[np.ndarray, Any, int]]:
        """The image is drawn with smooth edges, the owner map with hard ones."""
        yield self.image, color, cv2.LINE_AA
        yield self.owner, owner, cv2.LINE_8


def _fixed(points: np.ndarray) -> np.ndarray:
    """Pixels to OpenCV's fixed-point coordinates."""
    return np.round(np.asarray(points) * 2**_SUBPIXEL_BITS).astype(np.int32)


@dataclass(frozen=True)
class Outfit:
    """Colours of one figure, BGR."""

    skin: Color
    hair: Color
    shirt: Color
    trousers: Color
    shoes: Color

    @classmethod
    def random(cls, rng: np.random.Generator) -> Outfit:
        """Clothes of any colour on skin of a natural one."""
        lightness = rng.uniform(0.3, 1.0)
        skin = _shade((150, 185, 235), lightness)
        hair = _shade((60, 90, 140), rng.uniform(0.1, 1.2))
        shirt, trousers, shoes = (random_color(rng) for _ in range(3))
        return cls(skin, hair, shirt, trousers, shoes)


def random_color(rng: np.random.Generator) -> Color:
    """Any colour, BGR."""
    blue, green, red = rng.integers(0, 256, size=3).tolist()
    return blue, green, red


def _shade(color: Color, factor: float) -> Color:
    blue, green, red = np.clip(np.multiply(color, factor), 0, 255).astype(int).tolist()
    return blue, green, red


def paint_person(
    canvas: Canvas,
    pose: PersonPose,
    joints: np.ndarray,
    head: np.ndarray,
    stature: float,
    outfit: Outfit,
    owner: int,
) -> None:
    """Paint a figure.

    Args:
        canvas: Where to paint.
        pose: For whether the face shows.
        joints: (17, 2), the figure's keypoints in pixels of the canvas.
        head: (2,), the centre of its head in pixels of the canvas.
        stature: Height of the standing figure in pixels.
        outfit: Its colours.
        owner: Its number, positive.
    """
    at = dict(zip(KEYPOINTS, joints))
    for side in ("left", "right"):
        leg = np.stack([at[f"{side}_hip"], at[f"{side}_knee"], at[f"{side}_ankle"]])
        canvas.limb(leg, 0.075 * stature, outfit.trousers, owner)
        canvas.disc(at[f"{side}_ankle"], 0.035 * stature, outfit.shoes, owner)
    shoulders = np.stack([at["left_shoulder"], at["right_shoulder"]])
    hips = np.stack([at["right_hip"], at["left_hip"]])
    torso = np.concatenate([shoulders, hips])
    canvas.limb(torso[[0, 1, 2, 3, 0]], 0.07 * stature, outfit.shirt, owner)
    canvas.polygon(torso, outfit.shirt, owner)
    canvas.limb(np.stack([shoulders.mean(axis=0), head]), 0.06 * stature, outfit.skin, owner)
    for side in ("left", "right"):
        shoulder, elbow, wrist = (at[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
        canvas.limb(np.stack([elbow, wrist]), 0.045 * stature, outfit.skin, owner)
        canvas.limb(np.stack([shoulder, elbow]), 0.055 * stature, _shade(outfit.shirt, 0.8), owner)
        canvas.disc(wrist, 0.03 * stature, outfit.skin, owner)
    _paint_head(canvas, pose, at, head, stature, outfit, owner)


def _paint_head(
    canvas: Canvas,
    pose: PersonPose,
    at: dict[str, np.ndarray],
    head: np.ndarray,
    stature: float,
    outfit: Outfit,
    owner: int,
) -> None:
    radius = HEAD_RADIUS * stature
    up = head - (at["left_shoulder"] + at["right_shoulder"]) / 2
    up = up / max(float(np.linalg.norm(up)), 1e-6)
    for side in ("left", "right"):
        canvas.disc(at[f"{side}_ear"], 0.25 * radius, _shade(outfit.skin, 0.85), owner)
    canvas.disc(head + 0.15 * radius * up, 1.05 * radius, outfit.hair, owner)
    if pose.faces_away:
        return
    canvas.disc(head - 0.1 * radius * up, 0.88 * radius, outfit.skin, owner)
    for side in ("left", "right"):
        canvas.disc(at[f"{side}_eye"], 0.17 * radius, (250, 250, 250), owner)
        canvas.disc(at[f"{side}_eye"], 0.1 * radius, (30, 20, 20), owner)
    canvas.disc(at["nose"], 0.14 * radius, _shade(outfit.skin, 0.7), owner)


def paint_background(canvas: Canvas, rng: np.random.Generator, num_shapes: int) -> None:
    """Paint a graded background with blurred clutter: blocks, discs, and limb-like strokes.

    Examples:
        >>> canvas = Canvas.blank((64, 48))
        >>> paint_background(canvas, np.random.default_rng(0), num_shapes=5)
        >>> bool(canvas.image.any()), bool(canvas.owner.any())
        (True, False)
    """
    h, w = canvas.owner.shape
    top, bottom = np.array(random_color(rng), float), np.array(random_color(rng), float)
    ramp = np.linspace(0, 1, h)[:, None, None]
    canvas.image[:] = (top * (1 - ramp) + bottom * ramp).astype(np.uint8)
    for _ in range(num_shapes):
        center = rng.uniform((0, 0), (w, h))
        size = np.exp(rng.uniform(np.log(0.02), np.log(0.4))) * h
        color = random_color(rng)
        kind = rng.integers(3)
        if kind == 0:
            extent = rng.uniform(0.3, 1, size=2) * size
            corners = center + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * extent
            canvas.polygon(corners, color, 0)
        elif kind == 1:
            canvas.disc(center, size / 2, color, 0)
        else:
            steps = rng.normal(0, size / 2, size=(3, 2))
            canvas.limb(center + np.cumsum(steps, axis=0), rng.uniform(0.05, 0.3) * size, color, 0)
    blur = rng.uniform(0.5, 2.5)
    canvas.image[:] = cv2.GaussianBlur(canvas.image, (0, 0), blur)
