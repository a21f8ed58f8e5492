"""The random rotation, scaling and translation of the official training recipe."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import bbox_corner2xyxy, bbox_xyxy2corner, get_warp_matrix

from ...utils.arguments import range_of, size_of


@TRANSFORMS.register_module()
class BottomupUniformAffine(BaseTransform):
    """Rotate, scale and shift the image at random, all uniformly, and cut out the network input.

    The cut-out has the input's aspect ratio; at scale 1 it is the largest that fits into the
    image along its short side. MMPose's ``BottomupRandomAffine`` differs: its shift is relative
    to both sides of the image and not to the scale.

    Required keys: ``img``; optional: ``keypoints``, ``bbox``, ``area``. Modified keys: the same.
    Added keys: ``input_size`` (w, h), ``img_shape`` (h, w), ``warp_mat``.

    Args:
        input_size: (w, h) of the network input in pixels.
        rotation: Largest rotation to either side, in degrees.
        scale: Range of the cut-out's size, relative to scale 1.
        translation: Largest shift along each axis, relative to the cut-out's short side (official:
            40·scale px, with 200·scale px the short side).

    Raises:
        ValueError: If the size or a range is not valid.

    Examples:
        >>> affine = BottomupUniformAffine((64, 64), rotation=0, scale=(1, 1), translation=0)
        >>> affine(dict(img=np.zeros((60, 90, 3), np.uint8)))["img"].shape
        (64, 64, 3)
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        rotation: float = 30.0,
        scale: tuple[float, float] = (0.75, 1.5),
        translation: float = 0.2,
    ) -> None:
        super().__init__()
        for name, value in (("rotation", rotation), ("translation", translation)):
            if not isinstance(value, Real) or not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be finite and not negative, but is {value!r}.")
        self.input_size = size_of(input_size, "input_size")
        self.rotation = rotation
        self.scale = range_of(scale, "scale")
        self.translation = translation

    @cache_randomness
    def _random_parameters(self) -> tuple[float, float, np.ndarray]:
        """Rotation in degrees, scale, and shift per axis in units of the cut-out's short side."""
        rotation = np.random.uniform(-self.rotation, self.rotation)
        scale = np.random.uniform(*self.scale)
        shift = np.random.uniform(-self.translation, self.translation, size=2)
        return rotation, scale, shift

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Transform image and annotations.

        Raises:
            ValueError: If the image was mirrored before.
        """
        if results.get("flip"):
            raise ValueError(
                "The image was mirrored before `BottomupUniformAffine`. Put the flip after it in "
                "the pipeline: masks of crowds are warped first, then mirrored."
            )
        height, width = results["img"].shape[:2]
        w, h = self.input_size
        rotation, scale, shift = self._random_parameters()
        # the largest (w, h)-shaped cut-out inside the image, times the scale
        cut_out = np.array([w, h]) * min(width / w, height / h) * scale
        center = np.array([width, height]) / 2 + shift * cut_out.min()
        warp = get_warp_matrix(center, cut_out, rotation, output_size=(w, h))

        results["img"] = cv2.warpAffine(results["img"], warp, (w, h), flags=cv2.INTER_LINEAR)
        _transform_annotations(results, warp)
        results["input_size"] = self.input_size
        results["img_shape"] = (h, w)
        results["warp_mat"] = warp
        return results


def _transform_annotations(results: dict[str, Any], warp: np.ndarray) -> None:
    if results.get("keypoints") is not None:
        keypoints = results["keypoints"]
        results["keypoints"] = (keypoints @ warp[:, :2].T + warp[:, 2]).astype(keypoints.dtype)
    if results.get("bbox") is not None and len(results["bbox"]):
        corners = bbox_xyxy2corner(results["bbox"])
        results["bbox"] = bbox_corner2xyxy(corners @ warp[:, :2].T + warp[:, 2])
    if results.get("area") is not None:
        results["area"] = np.asarray(results["area"]) * abs(np.linalg.det(warp[:, :2]))
