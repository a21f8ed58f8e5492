"""A horizontal flip for inputs of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.image import imflip
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import flip_bbox
from mmpose.structures.keypoint import flip_keypoints


@TRANSFORMS.register_module()
class BottomupHorizontalFlip(BaseTransform):
    """Mirror image, keypoints and boxes at random, about the axis of the image as it is.

    MMPose's ``RandomFlip`` takes the width for the height where the input is not square. Like it,
    and unlike the official implementation, which mirrors about each map's own last column, this
    maps pixel x of the input to pixel w − 1 − x.

    Required keys: ``img``; optional: ``keypoints``, ``keypoints_visible``, ``bbox``,
    ``flip_indices``. Modified keys: the same but ``flip_indices``. Added keys: ``flip``,
    ``flip_direction``.

    Args:
        prob: Probability of a flip.

    Raises:
        ValueError: If ``prob`` is not a probability.

    Examples:
        >>> person = dict(keypoints=np.array([[[1.0, 2.0]]]), keypoints_visible=np.ones((1, 1)))
        >>> results = dict(person, img=np.zeros((4, 8, 3), np.uint8), flip_indices=[0])
        >>> BottomupHorizontalFlip(prob=1)(results)["keypoints"].tolist()
        [[[6.0, 2.0]]]
    """

    def __init__(self, prob: float = 0.5) -> None:
        super().__init__()
        if not 0 <= prob <= 1:
            raise ValueError(f"`prob` must be in [0, 1], but got {prob}.")
        self.prob = prob

    @cache_randomness
    def _random_flip(self) -> bool:
        return bool(np.random.rand() < self.prob)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Flip image and annotations, or leave them."""
        flip = self._random_flip()
        results["flip"] = flip
        results["flip_direction"] = "horizontal" if flip else None
        if not flip:
            return results
        height, width = results["img"].shape[:2]
        results["img"] = imflip(results["img"], direction="horizontal")
        if results.get("bbox") is not None:
            results["bbox"] = flip_bbox(
                results["bbox"], image_size=(width, height), bbox_format="xyxy"
            )
        if results.get("keypoints") is not None:
            results["keypoints"], results["keypoints_visible"] = flip_keypoints(
                results["keypoints"],
                results.get("keypoints_visible"),
                image_size=(width, height),
                flip_indices=results["flip_indices"],
            )
        return results
