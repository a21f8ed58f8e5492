"""MMPose's bottom-up estimator, testing on image pyramids scale by scale."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

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

        Then ``inputs`` is a list with one (B, 3, H, W) tensor per scale, scale 1 first. Mode
        ``'maps'`` is the network's part of ``'predict'``.
        """
        if mode == "predict":
            return self.predict(inputs, data_samples or [])
        if mode == "maps":
            return self._run_network(inputs, data_samples or [])
        return super().forward(inputs, data_samples, mode)

    def test_step(self, data: Any) -> list[Any]:
        """Predict a batch from the data loader, in groups of equally sized images."""
        return self.start_test_step(data)()

    def val_step(self, data: Any) -> list[Any]:
        """As :meth:`test_step`."""
        return self.test_step(data)

    def start_test_step(self, data: Any) -> Callable[[], list[Any]]:
        """Run the network on a batch; the function that is returned decodes what it gave.

        Decoding may run in another thread while the network goes on to the next batch; on a GPU
        it then takes a stream of its own.
        """
        inputs, samples = data["inputs"], data["data_samples"]
        pyramid = isinstance(inputs[0], Sequence)
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
                for index, sample in zip(indices, self._decode(maps, group_samples), strict=True):
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
        return self._decode(self._run_network(inputs, data_samples), data_samples)

    def _run_network(self, inputs: Tensor | list[Tensor], data_samples: list[Any]) -> _Maps:
        """Aggregated maps of images of one size."""
        if self.metainfo is not None:
            for sample in data_samples:
                sample.set_metainfo(self.metainfo)
        scales = inputs if isinstance(inputs, list) else [inputs]
        flip_indices = data_samples[0].metainfo.get("flip_indices")
        height, width = scales[0].shape[2:]
        aggregator = MapAggregator((height, width))
        alpha = None
        for index, images in enumerate(scales):
            feats = self._test_features(images)
            passes = self.head.test_passes(feats, flip_indices)
            aggregator.add_scale(passes, keep_tags=index == 0)
            if index == 0:
                alpha = self.head.test_scales(feats, self.test_cfg)
        return _Maps(*aggregator.result(), alpha, _record_event(scales[0].device))

    def _test_features(self, images: Tensor) -> Any:
        """Features of a batch, or of the batch and its mirror images."""
        flip = self.test_cfg.get("flip_test", False)
        if images.device.type == "cpu":
            # in this layout convolutions run faster there, and all that follows keeps it
            images = images.contiguous(memory_format=torch.channels_last)
            feats: Any = self.extract_feat(images)
            return [feats, self.extract_feat(images.flip(-1))] if flip else feats
        return self._features_of_both(images) if flip else self.extract_feat(images)

    def _features_of_both(self, images: Tensor) -> list[list[Tensor]]:
        """Features of a batch and of its mirror images, from one pass.

        On a GPU it is the launching of kernels that takes the time: half as many, each twice as
        large, and memory for both.
        """
        feats = self.extract_feat(torch.cat([images, images.flip(-1)]))
        return [list(part) for part in zip(*(feat.chunk(2) for feat in feats), strict=True)]

    @torch.no_grad()
    def _decode(self, maps: _Maps, data_samples: list[Any]) -> list[Any]:
        with _own_stream(maps):
            preds = self.head.predict_from_maps(
                maps.heatmaps, maps.tags, maps.scales, self.test_cfg
            )
            instances, fields = preds if isinstance(preds, tuple) else (preds, None)
            return self.add_pred_to_datasample(instances, fields, data_samples)


class _Maps(NamedTuple):
    """What the network gave for images of one size.

    Attributes:
        heatmaps: (B, K, H, W), aggregated.
        tags: (B, L·K, H, W).
        scales: α (B, K, h, w) at stride 2, where wanted.
        ready: On a GPU the event that they are computed.
    """

    heatmaps: Tensor
    tags: Tensor
    scales: Tensor | None
    ready: torch.cuda.Event | None


def _record_event(device: torch.device) -> torch.cuda.Event | None:
    if device.type != "cuda":
        return None
    return torch.cuda.current_stream(device).record_event()


@contextlib.contextmanager
def _own_stream(maps: _Maps) -> Iterator[None]:
    """In another thread than the main one, a stream of its own, starting when the maps are there.

    Else it would stand in line behind what the main thread has launched since. The device is named,
    as another thread's current one may not be the main thread's.
    """
    if maps.ready is None or threading.current_thread() is threading.main_thread():
        yield
        return
    stream = torch.cuda.Stream(maps.heatmaps.device)
    stream.wait_event(maps.ready)
    with torch.cuda.stream(stream):
        yield
        stream.synchronize()
