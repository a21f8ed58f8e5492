"""MMPose's data preprocessor, for image pyramids too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS


@MODELS.register_module()
class BottomupPoseDataPreprocessor(PoseDataPreprocessor):
    """Normalise, pad and stack the images of a batch, each scale of a pyramid by itself.

    Takes the arguments of ``PoseDataPreprocessor``. Where ``inputs`` holds one sequence of images
    per scale (scale 1 first), as collating pyramids gives them, so does the result: a list of
    (B, 3, H, W) tensors.

    Examples:
        >>> import torch
        >>> from mmpose.structures import PoseDataSample
        >>> pyramid = [[torch.zeros(3, 64, 64)], [torch.zeros(3, 32, 32)]]  # of one image
        >>> data = dict(inputs=pyramid, data_samples=[PoseDataSample()])
        >>> [tuple(images.shape) for images in BottomupPoseDataPreprocessor()(data)["inputs"]]
        [(1, 3, 64, 64), (1, 3, 32, 32)]
    """

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Preprocess a batch; see :class:`PoseDataPreprocessor`."""
        inputs = data["inputs"]
        if not isinstance(inputs[0], Sequence):
            return super().forward(data, training)
        base, *others = inputs
        result = super().forward(dict(data, inputs=list(base)), training)
        # the parent's own parent: the meta information is that of scale 1
        normalize = super(PoseDataPreprocessor, self).forward
        scales = [normalize(dict(inputs=list(images)))["inputs"] for images in others]
        return dict(result, inputs=[result["inputs"], *scales])
