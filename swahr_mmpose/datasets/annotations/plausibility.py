"""Units of keypoints, and the order of a box's numbers, as all people of a file have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .problem import Problem

#: How many must agree: in whole files too, not all have their keypoints in their box.
_MOST = 0.8


def doubts(people: Sequence[dict[str, Any]], sizes: Mapping[int, tuple[int, int]]) -> list[Problem]:
    """Reasons to doubt that keypoints are pixels, and boxes left, top, width and height.

    Of labelled people, one at least, whose fields are sound; ``sizes`` are (h, w) by image id.
    """
    keypoints = np.reshape([person["keypoints"] for person in people], (len(people), -1, 3))
    points, visible = keypoints[..., :2], keypoints[..., 2:]
    low = np.where(visible > 0, points, np.inf).min(axis=1)
    high = np.where(visible > 0, points, -np.inf).max(axis=1)
    start, end = np.split(np.array([person["bbox"] for person in people], float), 2, axis=1)
    image_ids = np.array([person["image_id"] for person in people])
    sides = np.array([sizes[image_id][::-1] for image_id in image_ids.tolist()], float)

    unit = 1 if (high <= 1).all(axis=1).mean() > _MOST else 100
    are_small = (high <= unit).all(axis=1)
    images = np.unique(image_ids[are_small], return_index=True)[1]
    # how likely it is that people of so many images are in this corner
    chance = np.minimum(1, unit / sides[are_small][images]).prod()
    slack = 0.05 * sides
    are_corners = ((start < end) & (start - slack <= low) & (high <= end + slack)).all(axis=1)
    end_outside = (start + end > sides + slack).any(axis=1)

    found = []
    if are_small.mean() > _MOST and chance < 1e-4:
        fix = (
            f"If they are {'percent' if unit > 1 else 'shares'} of the image's sides, write pixels"
        )
        found.append((are_small, f"all `keypoints` between 0 and {unit}", fix))
    if are_corners.mean() > _MOST and end_outside.mean() > 0.1:
        fix = "If it is left, top, right and bottom, write left, top, width and height"
        found.append((end_outside, "a `bbox` that ends outside the image", fix))
    return [
        Problem("file", f"{which.sum()} of {len(people)} people have {what}", fix, fixed=False)
        for which, what, fix in found
    ]
