"""Packs images and pyramids for the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmpose.datasets.transforms.formatting import PackPoseInputs, image_to_tensor
from mmpose.registry import TRANSFORMS

#: MMPose's own, less ``category_id`` (one per annotation, which its metric takes for one per
#: image), with what pyramids, visualisation and the rendering of targets need.
_META_KEYS = (
    "id",
    "img_id",
    "img_path",
    "crowd_index",
    "ori_shape",
    "img_shape",
    "input_size",
    "input_center",
    "input_scale",
    "aug_scales",
    "flip",
    "flip_direction",
    "flip_indices",
    "target_sigma",
    "heatmap_sizes",
    "raw_ann_info",
    "dataset_name",
    "skeleton_links",
)


@TRANSFORMS.register_module()
class BottomupPackInputs(PackPoseInputs):
    """As MMPose's ``PackPoseInputs``, for lists of images of different sizes too.

    Args:
        meta_keys: Keys of the results that go into the data sample's meta information.
        **kwargs: As for ``PackPoseInputs``.

    Examples:
        >>> pyramid = [np.zeros((64, 64, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)]
        >>> packed = BottomupPackInputs()(dict(img=pyramid, img_id=7))
        >>> [tuple(image.shape) for image in packed["inputs"]], packed["data_samples"].img_id
        ([(3, 64, 64), (3, 32, 32)], 7)
    """

    def __init__(self, meta_keys: Sequence[str] = _META_KEYS, **kwargs: Any) -> None:
        super().__init__(meta_keys=tuple(meta_keys), **kwargs)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack; ``inputs`` is a (3, H, W) tensor, or one per scale in a list.

        Raises:
            ValueError: If an image or a keypoint that counts holds NaN or infinity.
        """
        images = results["img"]
        _check_finite(results)
        if not isinstance(images, list):
            return super().transform(results)
        packed = super().transform(dict(results, img=images[0]))
        return dict(packed, inputs=[image_to_tensor(image) for image in images])


def _check_finite(results: dict[str, Any]) -> None:
    """Look in the data loader: a GPU would have to be waited for."""
    name = f"The image {results.get('img_id')} ('{results.get('img_path')}')"
    images = results["img"] if isinstance(results["img"], list) else [results["img"]]
    # images of whole numbers can't hold any, and are what pipelines give
    floats = (image for image in images if np.issubdtype(image.dtype, np.floating))
    if not all(np.isfinite(image).all() for image in floats):
        raise ValueError(
            f"{name} holds NaN or infinity after the pipeline's transforms. Look for the one that "
            "makes it."
        )
    keypoints = results.get("transformed_keypoints", results.get("keypoints"))
    if keypoints is None:
        return
    broken = ~np.isfinite(keypoints).all(axis=-1) & (np.asarray(results["keypoints_visible"]) > 0)
    if broken.any():
        person, keypoint = np.argwhere(broken)[0]
        raise ValueError(
            f"{name} has a keypoint that is NaN or infinite: number {keypoint} of person {person} "
            "in the image. Fix its annotation (`swahr check` finds it)."
        )
