"""Test-time resizing to one scale or several that line up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from ...images.files import ImageError
from ...images.geometry import pyramid_geometry, show, to_three_channels
from ...layout import BACKBONE_STRIDE, TEST_SIZE_DIVISOR
from ...utils.arguments import short_side


def _check_steps(scales: Sequence[float]) -> None:
    """Sides at the smallest scale are multiples of 64; the network needs multiples of 32."""
    step = min(scales) * BACKBONE_STRIDE / TEST_SIZE_DIVISOR
    for scale in scales:
        if abs(scale / step - round(scale / step)) > 1e-6:
            below = scale // step * step
            raise ValueError(
                f"`scales` {tuple(scales)}: {scale:g} is not a multiple of {step:g}, half of the "
                "smallest scale, so that its maps would not line up with the others'. Use "
                f"{below:g} or {below + step:g}, or change the smallest."
            )


@TRANSFORMS.register_module()
class BottomupPyramidResize(BaseTransform):
    """Resize the image for test, to one scale or a pyramid (official sizes and affine maps).

    Grey images and such with an alpha channel become colour images.

    Required keys: ``img``; optional: ``img_path``, for errors. Modified keys: ``img``, an array,
    or with several scales a list of them, scale 1 first; ``img_shape`` (h, w) of scale 1. Added
    keys: ``input_size`` (w, h) of scale 1, ``input_center`` and ``input_scale``, the image region
    that it shows in image pixels; with several scales ``aug_scales``, the factors of all but the
    first.

    Args:
        input_size: Length of the short side at scale 1 in pixels; of a pair (w, h) the shorter.
        scales: Scale factors for multi-scale test, with 1, from which the tags are taken.

    Raises:
        ValueError: If the scales do not contain 1, are not positive or name one twice, the short
            side is not a multiple of 64 at the smallest scale, or the other scales are not
            multiples of half of the smallest; in use if an image's sides differ by a factor of
            more than 32.

    Examples:
        >>> import numpy as np
        >>> resize = BottomupPyramidResize(input_size=64, scales=(1.0, 2.0))
        >>> sample = resize(dict(img=np.zeros((60, 90, 3), np.uint8)))
        >>> [image.shape for image in sample["img"]]
        [(64, 128, 3), (128, 256, 3)]
    """

    def __init__(self, input_size: int | tuple[int, int], scales: Sequence[float] = (1.0,)) -> None:
        super().__init__()
        self.input_size = short_side(input_size)
        try:
            scales = [float(scale) for scale in scales]
        except (TypeError, ValueError):
            raise ValueError(
                f"`scales` must be a sequence of factors, but is {scales!r}."
            ) from None
        in_range = all(0 < scale < math.inf for scale in scales)
        if not in_range or 1 not in scales or len(set(scales)) != len(scales):
            raise ValueError(
                "`scales` must be different positive factors with 1 among them (the tags are "
                f"taken from scale 1), but got {tuple(scales)}."
            )
        if min(scales) * self.input_size % TEST_SIZE_DIVISOR:
            raise ValueError(
                f"`input_size` {self.input_size} at the smallest of the `scales`, {min(scales)}, "
                f"is not a multiple of {TEST_SIZE_DIVISOR} pixels. Change either."
            )
        _check_steps(scales)
        self.scales = [1.0, *sorted(scale for scale in scales if scale != 1)]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resize the image."""
        try:
            img = to_three_channels(results["img"])
            h, w = img.shape[:2]
            geometry = pyramid_geometry((w, h), self.input_size, self.scales)
        except ValueError as error:
            raise ImageError(f"'{results.get('img_path')}' can't be used: {error}") from error
        images = [show(img, geometry, size) for size in geometry.sizes]
        results["input_size"] = geometry.sizes[0]
        results["img_shape"] = geometry.sizes[0][::-1]
        results["input_center"] = geometry.center
        results["input_scale"] = geometry.extent
        if len(images) > 1:
            results["img"] = images
            results["aug_scales"] = self.scales[1:]
        else:
            results["img"] = images[0]
        return results
