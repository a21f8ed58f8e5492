"""Loads images; errors name the file."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmpose.registry import TRANSFORMS

from ...images.files import ImageError, check_regular, decode_annotated, decode_image


@TRANSFORMS.register_module()
class BottomupLoadImage(BaseTransform):
    """Load an image from a file, or take the one that is there, as MMPose's ``LoadImage``.

    An image that can't be read is an error with its name. Where annotations say the size, the
    image must have it: one whose camera says that it lies on its side is taken as it is stored
    if that is what was annotated, as in COCO.

    Required keys: ``img_path``, or ``img``; optional: ``annotated_size`` (w, h). Added keys:
    ``img`` (H, W, 3), ``img_shape`` and ``ori_shape`` (h, w); ``img_path`` where there is none.

    Args:
        backend_args: Where files are, as MMEngine's ``fileio`` takes it; None: as their paths say.

    Raises:
        ImageError: In use, if the file can't be opened or read, or has another size.

    Examples:
        >>> results = BottomupLoadImage()(dict(img=np.zeros((48, 64, 3), np.uint8)))
        >>> results["ori_shape"]
        (48, 64)
    """

    def __init__(self, backend_args: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.backend_args = backend_args

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the image."""
        if "img" in results:
            results.setdefault("img_path", None)
        else:
            results["img"] = self._load(results["img_path"], results.get("annotated_size"))
        results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]
        return results

    def _load(self, path: str, annotated_size: tuple[int, int] | None) -> np.ndarray:
        try:
            check_regular(path)
            content = fileio.get(path, backend_args=self.backend_args)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            advice = " Is the dataset's `data_prefix` right?" if annotated_size else ""
            raise ImageError(f"{path!r} can't be opened: {reason}.{advice}") from error
        if annotated_size is None:
            return decode_image(content, path)
        image = decode_annotated(content, path, annotated_size)
        if image.shape[1::-1] != annotated_size:
            w, h = annotated_size
            raise ImageError(
                f"'{path}' is {image.shape[1]}×{image.shape[0]} pixels, but its annotations are "
                f"for {w}×{h}. Bring back the image that was annotated."
            )
        return image
