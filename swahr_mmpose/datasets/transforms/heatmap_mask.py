"""The mask of pixels that count in the heatmap losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as coco_mask
from mmcv.image import imflip
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from ..annotations.segmentation import segmentation_problem, without_empty_polygons


def segmentations_to_mask(segmentations: Sequence[Any], image_size: tuple[int, int]) -> np.ndarray:
    """The union of COCO segmentations, (H, W) bool.

    Args:
        segmentations: Polygons (a list of lists of coordinates), run-length encodings (a dict
            with ``counts`` and ``size``, compressed or not), or None; an empty one, or an empty
            polygon of one, covers nothing.
        image_size: (w, h) in pixels.

    Raises:
        ValueError: If one can't be of this image; the library that reads them would crash.

    Examples:
        >>> segmentations_to_mask([[[0, 0, 2, 0, 2, 4, 0, 4]]], (4, 4)).astype(int).tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    """
    w, h = image_size
    encodings = []
    for segmentation in map(without_empty_polygons, segmentations):
        if not segmentation:
            continue
        problem = segmentation_problem(segmentation, (h, w))
        if problem:
            raise ValueError(f"A segmentation {problem}. Is the annotation of another image?")
        if isinstance(segmentation, dict):
            encodings.append(_encoded(segmentation, (h, w)))
        else:
            encodings.extend(coco_mask.frPyObjects(segmentation, h, w))
    if not encodings:
        return np.zeros((h, w), dtype=bool)
    return coco_mask.decode(coco_mask.merge(encodings)).astype(bool)


def _encoded(region: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """A run-length encoding as COCO's library takes it, of one as annotation files hold it."""
    counts, size_list = region["counts"], list(size)
    if isinstance(counts, str):
        return dict(size=size_list, counts=counts.encode())
    if isinstance(counts, bytes):
        return dict(size=size_list, counts=counts)
    encoded: dict[str, Any] = coco_mask.frPyObjects(dict(size=size_list, counts=counts), *size)
    return encoded


@TRANSFORMS.register_module()
class BottomupHeatmapMask(BaseTransform):
    """Mask crowd regions and people without keypoints, and what lies outside the image.

    Unlike MMPose's ``BottomupGetHeatmapMask`` it takes run-length encoded regions, which COCO's
    crowds are, and warps the mask straight to the size of the maps.

    Required keys: ``ori_shape`` (h, w), ``heatmap_sizes`` (w, h) from the codec;
    optional: ``invalid_segs``, ``warp_mat``, ``input_size``, ``flip``, ``flip_direction``. Added
    keys:
    ``heatmap_mask``, one (1, H, W) bool array per map size.

    Examples:
        >>> crowd = [[0, 0, 32, 0, 32, 64, 0, 64]]  # the left half
        >>> results = dict(ori_shape=(64, 64), heatmap_sizes=[(16, 16)], invalid_segs=[crowd])
        >>> (mask,) = BottomupHeatmapMask()(results)["heatmap_mask"]
        >>> mask[0, 8, [2, 13]].tolist()
        [False, True]
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the masks."""
        height, width = results["ori_shape"][:2]
        invalid = segmentations_to_mask(results.get("invalid_segs", []), (width, height))
        valid = np.where(invalid, 0, 255).astype(np.uint8)
        warp = results.get("warp_mat", np.eye(2, 3))
        input_size = results.get("input_size", (width, height))
        masks = []
        for w, h in results["heatmap_sizes"]:
            to_map = np.array([[w / input_size[0]], [h / input_size[1]]])
            mask = cv2.warpAffine(valid, warp * to_map, (w, h), flags=cv2.INTER_LINEAR) > 127
            if results.get("flip"):
                mask = imflip(mask, results.get("flip_direction") or "horizontal")
            masks.append(np.ascontiguousarray(mask)[None])
        results["heatmap_mask"] = masks
        return results
