"""An articulated figure: joint places of a random pose, in fractions of its stature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: COCO's keypoints, in its order.
KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

# Lengths in fractions of the stature.
_SHOULDER_HEIGHT, _HIP_HEIGHT = 0.80, 0.52
_SHOULDER_HALF_WIDTH, _HIP_HALF_WIDTH = 0.115, 0.075
_UPPER_ARM, _FOREARM = 0.165, 0.15
_THIGH, _SHIN = 0.25, 0.24
HEAD_HEIGHT, HEAD_RADIUS = 0.91, 0.07


@dataclass(frozen=True)
class PersonPose:
    """Joints of one figure that stands upright at the origin, in fractions of its stature.

    Attributes:
        joints: (17, 2), x to the right and y downwards from the ground between the feet.
        head: (2,), the centre of the head.
        faces_away: Whether the figure shows its back: its face can't be seen.
    """

    joints: np.ndarray
    head: np.ndarray
    faces_away: bool


def random_pose(rng: np.random.Generator) -> PersonPose:
    """A pose with random limbs, turned by up to 50 degrees, sometimes seen from behind.

    Examples:
        >>> random_pose(np.random.default_rng(0)).joints.shape
        (17, 2)
    """
    faces_away = rng.random() < 0.12
    # the figure's left is on the right of the image, unless it faces away
    side = -1.0 if faces_away else 1.0
    turn = np.deg2rad(rng.uniform(-50, 50))
    width = side * np.cos(turn)
    joints = np.zeros((len(KEYPOINTS), 2))

    def place(name: str, xy: np.ndarray) -> np.ndarray:
        joints[KEYPOINTS.index(name)] = xy
        return xy

    for name, sign in (("left", 1.0), ("right", -1.0)):
        outward = np.sign(width) * sign
        shoulder = place(
            f"{name}_shoulder", np.array([sign * width * _SHOULDER_HALF_WIDTH, -_SHOULDER_HEIGHT])
        )
        raised = rng.uniform(-15, 55) if rng.random() < 0.7 else rng.uniform(55, 165)
        elbow = place(f"{name}_elbow", shoulder + _UPPER_ARM * _direction(raised, outward))
        place(
            f"{name}_wrist", elbow + _FOREARM * _direction(raised + rng.uniform(-50, 90), outward)
        )
        hip = place(f"{name}_hip", np.array([sign * width * _HIP_HALF_WIDTH, -_HIP_HEIGHT]))
        spread = rng.uniform(-8, 28)
        knee = place(
            f"{name}_knee", hip + _THIGH * rng.uniform(0.8, 1) * _direction(spread, outward)
        )
        place(
            f"{name}_ankle",
            knee + _SHIN * rng.uniform(0.8, 1) * _direction(spread - rng.uniform(0, 30), outward),
        )

    head = np.array([rng.uniform(-0.02, 0.02), -HEAD_HEIGHT])
    gaze = np.sin(turn) * 0.6 * HEAD_RADIUS
    place("nose", head + [gaze, 0.15 * HEAD_RADIUS])
    for name, sign in (("left", 1.0), ("right", -1.0)):
        place(f"{name}_eye", head + [sign * width * 0.4 * HEAD_RADIUS + gaze, -0.2 * HEAD_RADIUS])
        place(f"{name}_ear", head + [sign * width * 0.95 * HEAD_RADIUS, 0.0])
    return PersonPose(joints, head, faces_away)


def _direction(degrees: float, outward: float) -> np.ndarray:
    """Unit vector ``degrees`` away from straight down, to the outside of the body."""
    angle = np.deg2rad(degrees)
    return np.array([outward * np.sin(angle), np.cos(angle)])
