"""An image with people in front of clutter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import KEYPOINTS, PersonPose, random_pose
from .painting import Canvas, Outfit, paint_background, paint_person


@dataclass(frozen=True)
class SceneOptions:
    """What images look like.

    Attributes:
        size: (w, h) of the image in pixels.
        stature_range: Smallest and largest stature as fractions of the image's height; drawn
            log-uniformly.
        mean_people: Mean number of people beyond the first.
        cut_off_probability: Probability that a person is placed without regard to the borders.
        crowd_probability: Probability of a crowd: a cluster of small figures that is annotated as
            one region.
    """

    size: tuple[int, int]
    stature_range: tuple[float, float] = (0.05, 0.95)
    mean_people: float = 3.0
    cut_off_probability: float = 0.3
    crowd_probability: float = 0.15


@dataclass(frozen=True)
class ScenePerson:
    """A figure in an image.

    Attributes:
        owner: Its number in the scene's owner map.
        keypoints: (17, 2), x and y in pixels of the image, also outside of it.
        faces_away: Whether it shows its back.
        silhouette_area: Pixels that it would cover alone and not cut off, estimated from the
            stature.
        in_crowd: Whether it is part of the crowd region.
    """

    owner: int
    keypoints: np.ndarray
    faces_away: bool
    silhouette_area: float
    in_crowd: bool


@dataclass(frozen=True)
class Scene:
    """An image, who is seen at each pixel, and the people, the farthest first."""

    image: np.ndarray
    owner: np.ndarray
    people: list[ScenePerson]


#: Part of the square of its stature that a drawn figure covers, about.
_SILHOUETTE_FRACTION = 0.15


def random_scene(rng: np.random.Generator, options: SceneOptions) -> Scene:
    """Draw a scene; all that is random in it comes from ``rng``.

    Examples:
        >>> scene = random_scene(np.random.default_rng(0), SceneOptions((64, 48)))
        >>> scene.image.shape, scene.owner.shape, len(scene.people)
        ((48, 64, 3), (48, 64), 3)
    """
    canvas = Canvas.blank(options.size)
    paint_background(canvas, rng, num_shapes=int(rng.integers(5, 25)))
    h = options.size[1]
    low, high = np.log(options.stature_range)
    statures = np.exp(rng.uniform(low, high, size=1 + rng.poisson(options.mean_people))) * h
    crowd = rng.random() < options.crowd_probability
    plan = [
        (float(stature), _random_feet(rng, float(stature), options), False) for stature in statures
    ]
    if crowd:
        plan += _crowd_plan(rng, options.size)
    people = []
    # small figures are far away: larger ones hide them
    for owner, (stature, feet, in_crowd) in enumerate(sorted(plan, key=lambda p: p[0]), start=1):
        people.append(_add_person(canvas, rng, stature, feet, in_crowd, owner))
    _light(canvas.image, rng)
    return Scene(canvas.image, canvas.owner, people)


def _random_feet(rng: np.random.Generator, stature: float, options: SceneOptions) -> np.ndarray:
    """Where a person stands: mostly in full view, else cut off at a border."""
    w, h = options.size
    if rng.random() < options.cut_off_probability:
        return rng.uniform((0, 0.35 * h), (w, 1.15 * h))
    margin = min(0.25 * stature, w / 2)
    return rng.uniform((margin, stature), (w - margin, max(h, stature)))


def _crowd_plan(
    rng: np.random.Generator, size: tuple[int, int]
) -> list[tuple[float, np.ndarray, bool]]:
    """Statures and feet of 6 to 14 small figures close together."""
    w, h = size
    stature = rng.uniform(0.08, 0.2) * h
    center = rng.uniform((0.15 * w, 0.3 * h), (0.85 * w, 0.95 * h))
    spread = np.array([2.2, 0.4]) * stature
    return [
        (stature * rng.uniform(0.85, 1.15), center + rng.uniform(-spread, spread), True)
        for _ in range(rng.integers(6, 15))
    ]


def _add_person(
    canvas: Canvas,
    rng: np.random.Generator,
    stature: float,
    feet: np.ndarray,
    in_crowd: bool,
    owner: int,
) -> ScenePerson:
    pose = random_pose(rng)
    joints, head = _to_image(pose, rng, stature, feet)
    paint_person(canvas, pose, joints, head, stature, Outfit.random(rng), owner)
    area = _SILHOUETTE_FRACTION * stature**2
    return ScenePerson(owner, joints, pose.faces_away, area, in_crowd)


def _to_image(
    pose: PersonPose, rng: np.random.Generator, stature: float, feet: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Joints and head in pixels: leaning a little, scaled, with the feet in their place."""
    lean = np.deg2rad(rng.normal(0, 8))
    cos, sin = np.cos(lean), np.sin(lean)
    rotation = np.array([[cos, -sin], [sin, cos]])
    points = np.concatenate([pose.joints, pose.head[None]]) @ rotation.T * stature + feet
    return points[: len(KEYPOINTS)], points[-1]


def _light(image: np.ndarray, rng: np.random.Generator) -> None:
    """Brightness, contrast and grain of a camera."""
    contrast, brightness = rng.uniform(0.7, 1.15), rng.uniform(-20, 25)
    grain = rng.normal(0, rng.uniform(1, 7), size=image.shape)
    image[:] = np.clip(image * contrast + brightness + grain, 0, 255).astype(np.uint8)
