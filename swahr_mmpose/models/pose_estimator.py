"""MMPose's bottom-up estimator, testing on image pyramids scale by scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import torch
from mmpose.models.pose_estimators.bottomup import BottomupPoseEstimator
from mmpose.registry import MODELS
from torch import Tensor

from ..checkpoints.checks import check_state_dict
from ..checkpoints.renaming import rename_weights
from ..checkpoints.start_from import start_from
from ..datasets.metainfo import keypoint_names
from ..decoding.error_bars import ErrorBars
from ..layout import STRIDES, TEST_SIZE_DIVISOR
from .aggregation import aggregate_maps
from .data_preprocessor import BottomupPoseDataPreprocessor
from .heads.predictions import check_test_options
from .outputs import AggregatedMaps, HeadOutput


@MODELS.register_module()
class BottomupPyramidEstimator(BottomupPoseEstimator):
    """Bottom-up estimator for :class:`HigherHRNetHead` and its children.

    In training it is MMPose's own. In test it takes pyramids as well as single images, and adds
    up the maps of each scale as they come, so that memory is bounded by the largest scale; images
    of different sizes may share a batch and are then run in groups of equal size.

    Checkpoints of the official implementations and of MMPose 0.x load as they are: their keys are
    recognised and renamed. Weights that hold NaN or infinity are refused.

    ``test_cfg``: ``flip_test`` (average with the mirrored image, tags side by side),
    ``output_heatmaps`` (keep the aggregated maps as ``pred_fields``), ``output_scales`` (give the
    width that the scale branch predicts for each keypoint, as ``keypoint_widths`` in pixels of the
    image). The scales of a multi-scale test are those of the pipeline's
    :class:`BottomupPyramidResize`. Checkpoints of ``swahr calibrate`` give ``keypoint_sigmas``.

    Args:
        *args: As for ``BottomupPoseEstimator``.
        partial_checkpoint: Whether a checkpoint may lack weights, or have some of other shapes,
            which then stay as they are: for fine-tuning on another dataset.
        start_from: What a training starts from that is for other keypoints than the checkpoint:
            the arguments of :func:`swahr_mmpose.checkpoints.start_from.start_from`. Keypoints may
            also be the name of a dataset that MMPose describes, or the path of a description.
        **kwargs: As for ``BottomupPoseEstimator``.
    """

    def __init__(
        self,
        *args: Any,
        partial_checkpoint: bool = False,
        start_from: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.partial_checkpoint = partial_checkpoint
        self.start_from = start_from
        check_test_options(self.test_cfg)
        self._check_features()
        self._register_load_state_dict_pre_hook(self._before_loading)
        self.backbone._register_load_state_dict_pre_hook(_before_backbone, with_module=True)

    @torch.no_grad()
    def _check_features(self) -> None:
        """Raise a ValueError unless backbone and neck give what the head takes."""
        side = TEST_SIZE_DIVISOR
        feature = self.eval().extract_feat(torch.zeros(1, 3, side, side))[0]
        _, channels, height, _ = feature.shape
        self.train()
        expected = self.head.feature_channels[0]
        if (channels, height * STRIDES[0]) != (expected, side):
            raise ValueError(
                f"Backbone and neck give {channels} channels at stride {side / height:g}, but the "
                f"head takes `in_channels={expected}` at stride {STRIDES[0]}. Change either."
            )

    def init_weights(self) -> None:
        """Initialise for training, from ``start_from`` where it is given."""
        super().init_weights()
        if self.start_from:
            names = {
                key: keypoint_names(self.start_from[key])
                for key in ("source", "target")
                if self.start_from.get(key) is not None
            }
            start_from(self, **{**self.start_from, **names})

    def _before_loading(self, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        if not prefix:
            rename_weights(state_dict)
        check_state_dict(state_dict, self.state_dict(), prefix, self.partial_checkpoint)

    def forward(
        self, inputs: Any, data_samples: list[Any] | None = None, mode: str = "tensor"
    ) -> Any:
        """As :meth:`BottomupPoseEstimator.forward`, and for pyramids in mode ``'predict'``.

        Then ``inputs`` is a list with one (B, 3, H, W) tensor per scale, scale 1 first. Mode
        ``'maps'`` is the network's part of ``'predict'``.
        """
        if mode == "predict":
            return self.predict(inputs, data_samples or [])
        if mode == "maps":
            return self.predict_maps(inputs, data_samples or [])
        return super().forward(inputs, data_samples, mode)

    def test_step(self, data: Any) -> list[Any]:
        """Predict a batch from the data loader, in groups of equally sized images."""
        return self.start_test_step(data)()

    def val_step(self, data: Any) -> list[Any]:
        """As :meth:`test_step`."""
        return self.test_step(data)

    def start_test_step(self, data: Any) -> Callable[[], list[Any]]:
        """Run the network on a batch; the function that is returned decodes what it gave.

        Decoding may run in another thread while the network goes on to the next batch.
        """
        inputs, samples = data["inputs"], data["data_samples"]
        pyramid = isinstance(inputs[0], Sequence)
        if pyramid and not isinstance(self.data_preprocessor, BottomupPoseDataPreprocessor):
            raise TypeError(
                f"`{type(self.data_preprocessor).__name__}` can't take images at several scales. "
                "Set `model.data_preprocessor.type='BottomupPoseDataPreprocessor'`."
            )
        scales = inputs if pyramid else [inputs]
        groups: dict[Any, list[int]] = {}
        # the collated inputs of a pyramid come scale by scale
        for index in range(len(samples)):
            groups.setdefault(tuple(images[index].shape for images in scales), []).append(index)
        started = []
        for indices in groups.values():
            group_scales = [[images[i] for i in indices] for images in scales]
            group = self.data_preprocessor(
                dict(
                    inputs=group_scales if pyramid else group_scales[0],
                    data_samples=[samples[i] for i in indices],
                ),
                False,
            )
            maps = self._run_forward(group, mode="maps")
            started.append((indices, maps, group["data_samples"]))

        def decode() -> list[Any]:
            results: list[Any] = [None] * len(samples)
            for indices, maps, group_samples in started:
                for index, sample in zip(indices, self.decode_maps(maps, group_samples)):
                    results[index] = sample
            return results

        return decode

    def predict(self, inputs: Tensor | list[Tensor], data_samples: list[Any]) -> list[Any]:
        """Add ``pred_instances`` (and ``pred_fields``) to the data samples of one batch.

        Args:
            inputs: (B, 3, H, W), or a list of one such tensor per scale, scale 1 first.
            data_samples: ``PoseDataSample`` with the metainfo of :class:`BottomupPyramidResize`,
                or of MMPose's ``BottomupResize``.
        """
        return self.decode_maps(self.predict_maps(inputs, data_samples), data_samples)

    def predict_maps(
        self, inputs: Tensor | list[Tensor], data_samples: list[Any]
    ) -> AggregatedMaps:
        """Aggregated maps of images of one size; arguments as for :meth:`predict`.

        Raises:
            ValueError: If the scales of a pyramid don't show the same part of the image.
        """
        if self.metainfo is not None:
            for sample in data_samples:
                sample.set_metainfo(self.metainfo)
        scales = inputs if isinstance(inputs, list) else [inputs]
        height, width = scales[0].shape[2:]
        _check_scales(scales)
        outputs = (self._passes(images, is_first=images is scales[0]) for images in scales)
        return aggregate_maps(outputs, (height, width), data_samples[0].get("flip_indices"))

    def _passes(self, images: Tensor, is_first: bool) -> list[HeadOutput]:
        """The head's output for a batch, or for the batch and its mirror images."""
        with_scales = is_first and self.test_cfg.get("output_scales", False)

        def run(batch: Tensor) -> HeadOutput:
            output: HeadOutput = self.head.predict_maps(self.extract_feat(batch), with_scales)
            return output

        flip = self.test_cfg.get("flip_test", False)
        if images.device.type != "cpu" and flip:
            # launching kernels is what takes the time there: half as many, each twice as large
            return _halves(run(torch.cat([images, images.flip(-1)])))
        # in this layout convolutions run faster on a CPU, and all that follows keeps it
        images = images.contiguous(memory_format=torch.channels_last)
        return [run(images), run(images.flip(-1))] if flip else [run(images)]

    @torch.no_grad()
    def decode_maps(self, maps: AggregatedMaps, data_samples: list[Any]) -> list[Any]:
        """Add the people in aggregated maps to the data samples."""
        preds = self.head.decode_maps(maps, self.test_cfg, data_samples)
        instances, fields = preds if isinstance(preds, tuple) else (preds, None)
        # of the checkpoint that `init_model` read
        known = getattr(self, "dataset_meta", {}).get("error_bars")
        if known and known["flip_test"] == self.test_cfg.get("flip_test", False):
            bars = ErrorBars(**known)
            for people, heatmaps in zip(instances, maps.heatmaps.cpu().numpy()):
                people.keypoint_sigmas = bars.keypoint_sigmas(people.keypoints, heatmaps)
        return self.add_pred_to_datasample(instances, fields, data_samples)

    def add_pred_to_datasample(
        self, batch_pred_instances: Any, batch_pred_fields: Any, batch_data_samples: list[Any]
    ) -> list[Any]:
        """As in MMPose, also for widths and error bars; missing keypoints become zeros."""
        super().add_pred_to_datasample(batch_pred_instances, batch_pred_fields, batch_data_samples)
        for people, sample in zip(batch_pred_instances, batch_data_samples):
            missing = people.keypoint_scores == 0
            people.keypoints[missing] = 0
            not_found = ~people.keypoints_found
            for name, none in (("keypoint_widths", missing), ("keypoint_sigmas", not_found)):
                if name in people:
                    people[name] *= sample.input_scale[0] / sample.input_size[0]
                    people[name][none] = 0
        return batch_data_samples


def _before_backbone(backbone: Any, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Check a backbone's own ``init_cfg``: MMEngine only warns where nothing in it fits."""
    if not prefix:
        check_state_dict(state_dict, backbone.state_dict(), partial=True)


def _check_scales(scales: Sequence[Tensor]) -> None:
    """Raise unless all scales have one aspect ratio, to a pixel."""
    base_height, base_width = scales[0].shape[2:]
    for images in scales[1:]:
        height, width = images.shape[2:]
        if abs(height * base_width - width * base_height) > max(base_height, base_width):
            raise ValueError(
                f"The scales of a pyramid don't line up: {width}×{height} pixels is of another "
                f"aspect ratio than {base_width}×{base_height}. Resize the images with "
                "`BottomupPyramidResize`; MMPose's `BottomupResize` pads each scale by itself."
            )


def _halves(output: HeadOutput) -> list[HeadOutput]:
    """The outputs of the first and the second half of a batch."""
    halves = zip(*(maps.chunk(2) for maps in output.heatmaps))
    tags = output.tags.chunk(2)
    scales = zip(*(maps.chunk(2) for maps in output.scales)) if output.scales else (None, None)
    return [HeadOutput(*maps) for maps in zip(halves, tags, scales)]
