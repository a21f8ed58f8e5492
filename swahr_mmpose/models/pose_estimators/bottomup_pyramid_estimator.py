"""MMPose's bottom-up estimator, testing on image pyramids scale by scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmpose.models.pose_estimators.bottomup import BottomupPoseEstimator
from mmpose.registry import MODELS
from torch import Tensor

from ..aggregation import MapAggregator
from ..heads import TRAINING_BRANCHES


@MODELS.register_module()
class BottomupPyramidEstimator(BottomupPoseEstimator):
    """Bottom-up estimator for :class:`HigherHRNetHead` and its children.

    In training it is MMPose's own. In test it takes pyramids as well as single images, and adds
    up the maps of each scale as they come, so that memory is bounded by the largest scale; images
    of different sizes may share a batch and are then run in groups of equal size.

    ``test_cfg``: ``flip_test`` (average with the mirrored image, tags side by side),
    ``output_heatmaps`` (keep the aggregated maps as ``pred_fields``), ``output_scales`` (give the
    width that the scale branch predicts for each keypoint). The scales of a multi-scale test are
    those of the pipeline's :class:`BottomupPyramidResize`.

    Args:
        *args: As for ``BottomupPoseEstimator``.
        partial_checkpoint: Whether a checkpoint may lack weights, or have some of other shapes,
            which then stay as they are: for fine-tuning on another dataset. MMEngine skips them
            with a warning, so that a test of the wrong checkpoint would print nonsense.
        **kwargs: As for ``BottomupPoseEstimator``.
    """

    def __init__(self, *args: Any, partial_checkpoint: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not partial_checkpoint:
            self._register_load_state_dict_pre_hook(self._check_checkpoint)

    def _check_checkpoint(self, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        """Raise unless all weights that prediction needs are there, in their shapes."""
        needed = {
            f"{prefix}{name}": value
            for name, value in self.state_dict().items()
            if not name.startswith(TRAINING_BRANCHES)
        }
        missing = [name for name in needed if name not in state_dict]
        others = [
            f"{name} is {tuple(state_dict[name].shape)}, not {tuple(value.shape)}"
            for name, value in needed.items()
            if name in state_dict and state_dict[name].shape != value.shape
        ]
        problems = [f"{len(missing)} weights are missing, first {missing[0]}"] if missing else []
        problems += [f"{len(others)} have another shape, first {others[0]}"] if others else []
        if problems:
            raise RuntimeError(
                f"The checkpoint is of another model: {'; '.join(problems)}. Use the config that "
                "it was trained with; convert one of another implementation with "
                "tools/convert_checkpoint.py; or set `model.partial_checkpoint=True` to start "
                "training from what fits."
            )

    def forward(
        self, inputs: Any, data_samples: list[Any] | None = None, mode: str = "tensor"
    ) -> Any:
        """As :meth:`BottomupPoseEstimator.forward`, and for pyramids in mode ``'predict'``.

        Then ``inputs`` is a list with one (B, 3, H, W) tensor per scale, scale 1 first.
        """
        if mode == "predict":
            return self.predict(inputs, data_samples or [])
        return super().forward(inputs, data_samples, mode)

    def test_step(self, data: Any) -> list[Any]:
        """Predict a batch from the data loader, in groups of equally sized images."""
        return self._predict_groups(data)

    def val_step(self, data: Any) -> list[Any]:
        """As :meth:`test_step`."""
        return self._predict_groups(data)

    def _predict_groups(self, data: Any) -> list[Any]:
        """Group the images by size; the collated inputs of a pyramid come scale by scale."""
        inputs, samples = data["inputs"], data["data_samples"]
        pyramid = isinstance(inputs[0], Sequence)
        scales = inputs if pyramid else [inputs]
        groups: dict[Any, list[int]] = {}
        for index in range(len(samples)):
            groups.setdefault(tuple(images[index].shape for images in scales), []).append(index)
        results: list[Any] = [None] * len(samples)
        for indices in groups.values():
            group_scales = [[images[i] for i in indices] for images in scales]
            group = dict(
                inputs=group_scales if pyramid else group_scales[0],
                data_samples=[samples[i] for i in indices],
            )
            for index, sample in zip(indices, super().test_step(group), strict=True):
                results[index] = sample
        return results

    def predict(self, inputs: Tensor | list[Tensor], data_samples: list[Any]) -> list[Any]:
        """Add ``pred_instances`` (and ``pred_fields``) to the data samples of one batch.

        Args:
            inputs: (B, 3, H, W), or a list of one such tensor per scale, scale 1 first.
            data_samples: ``PoseDataSample`` with the metainfo of :class:`BottomupPyramidResize`,
                or of MMPose's ``BottomupResize``.
        """
        if self.metainfo is not None:
            for sample in data_samples:
                sample.set_metainfo(self.metainfo)
        scales = inputs if isinstance(inputs, list) else [inputs]
        flip_indices = data_samples[0].metainfo.get("flip_indices")
        height, width = scales[0].shape[2:]
        aggregator = MapAggregator((height, width))
        for index, images in enumerate(scales):
            if images.device.type == "cpu":
                # in this layout convolutions run faster there, and all that follows keeps it
                images = images.contiguous(memory_format=torch.channels_last)
            feats: Any = self.extract_feat(images)
            if self.test_cfg.get("flip_test", False):
                feats = [feats, self.extract_feat(images.flip(-1))]
            passes = self.head.test_passes(feats, flip_indices)
            aggregator.add_scale(passes, keep_tags=index == 0)
            if index == 0:
                alpha = self.head.test_scales(feats, self.test_cfg)
        preds = self.head.predict_from_maps(*aggregator.result(), alpha, self.test_cfg)
        instances, fields = preds if isinstance(preds, tuple) else (preds, None)
        return self.add_pred_to_datasample(instances, fields, data_samples)
