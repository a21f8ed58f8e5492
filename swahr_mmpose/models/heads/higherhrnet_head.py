"""The head of HigherHRNet: heatmaps at strides 4 and 2, tags at stride 4."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData, PixelData
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from torch import Tensor, nn

from ...codecs.decoding import boxes_of_keypoints
from ...codecs.device_targets import render_heatmaps_on_device
from ...layout import STRIDES, TAG_LEVEL, OutputLayout
from ..aggregation import MapAggregator, flip_back, merge_resolutions
from ..keypoint_widths import keypoint_widths
from .network import HeadOutput, deconv_block

#: Test options of MMPose's own associative-embedding head that have one right value here.
_FIXED_TEST_OPTIONS = dict(shift_heatmap=False, align_corners=False, restore_heatmap_size=True)


@MODELS.register_module()
class HigherHRNetHead(BaseHead):
    """Head of HigherHRNet (Cheng et al., CVPR 2020), trained with associative embedding.

    A 1×1 convolution on the stride-4 feature yields heatmaps and tags; a deconvolution block on
    feature, heatmaps and tags yields a stride-2 feature, and a 1×1 convolution on that the finer
    heatmaps.

    Args:
        in_channels: Channels of the backbone's stride-4 feature.
        num_keypoints: K.
        tag_dim: Tags per keypoint, L.
        deconv_channels: Channels of the stride-2 feature. None is ``in_channels``.
        num_basic_blocks: Residual blocks after the deconvolution.
        norm_cfg: Normalisation layers, ``dict(type='SyncBN')`` for training on several GPUs.
        heatmap_loss: Config of the heatmap loss, applied at both resolutions.
        tag_loss: Config of the loss that yields pull and push.
        compile_losses: Whether to compile the losses of the heatmaps on a GPU (``torch.compile``,
            which needs Triton and a C compiler there), those of one resolution together, so that
            maps are read once for all. On the CPU they have a fast way of their own.
        decoder: Config of the codec, needed for prediction.
        init_cfg: Initialisation. None is the official one: convolutions from N(0, 0.001²).

    Raises:
        ValueError: If the codec is for other keypoints or another tag size.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        tag_dim: int = 1,
        deconv_channels: int | None = None,
        num_basic_blocks: int = 4,
        norm_cfg: dict[str, Any] | None = None,
        heatmap_loss: dict[str, Any] | None = None,
        tag_loss: dict[str, Any] | None = None,
        compile_losses: bool = False,
        decoder: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = dict(type="Normal", layer=["Conv2d", "ConvTranspose2d"], std=0.001)
        super().__init__(init_cfg)
        self.layout = OutputLayout(num_keypoints, tag_dim)
        norm_cfg = norm_cfg or dict(type="BN")
        deconv_channels = deconv_channels or in_channels
        self.feature_channels = (in_channels, deconv_channels)

        # module names are the official checkpoint's keys
        self.final_layers = nn.ModuleList(
            nn.Conv2d(channels, self.layout.output_channels(level), kernel_size=1)
            for level, channels in enumerate(self.feature_channels)
        )
        self.deconv_layers = nn.ModuleList(
            [
                deconv_block(
                    in_channels + self.layout.output_channels(TAG_LEVEL),
                    deconv_channels,
                    num_basic_blocks,
                    norm_cfg,
                )
            ]
        )
        self.heatmap_loss = MODELS.build(
            heatmap_loss or dict(type="WeightAdaptiveLoss", gamma=None)
        )
        self.tag_loss = MODELS.build(tag_loss or dict(type="TagGroupingLoss"))
        self.compile_losses = compile_losses
        self.decoder = None if decoder is None else self._build_decoder(decoder)

    def _build_decoder(self, decoder: dict[str, Any]) -> Any:
        codec = KEYPOINT_CODECS.build(decoder)
        for name in ("num_keypoints", "tag_dim"):
            expected = getattr(self.layout, name)
            given = getattr(codec, name, None)
            if given is not None and given != expected:
                raise ValueError(
                    f"The codec (`decoder`) has `{name}={given}`, but the head has "
                    f"`{name}={expected}`. Give both the same value."
                )
        num_sizes = len(getattr(codec, "heatmap_sizes", STRIDES))
        if num_sizes != len(STRIDES):
            raise ValueError(
                f"The codec (`decoder`) has {num_sizes} `heatmap_sizes`, but the head has "
                f"{len(STRIDES)} outputs, at strides {STRIDES}."
            )
        return codec

    # ---------------------------------------------------------------- network

    def _features_and_maps(
        self, feats: Sequence[Tensor]
    ) -> tuple[tuple[Tensor, Tensor], HeadOutput]:
        """Features (B, C, H, W) at both resolutions, and the maps from them."""
        coarse = feats[0]
        output = self.final_layers[0](coarse)
        fine = self.deconv_layers[0](torch.cat([coarse, output], dim=1))
        heatmaps, tags = self.layout.split(output)
        maps = HeadOutput((heatmaps, self.final_layers[1](fine)), tags)
        return (coarse, fine), maps

    def forward(self, feats: Sequence[Tensor]) -> HeadOutput:
        """Maps from the backbone's features.

        Args:
            feats: The first entry is the stride-4 feature (B, C, H, W).
        """
        return self._features_and_maps(feats)[1]

    # ---------------------------------------------------------------- training

    # under `torch.compile` the network is compiled, and the data samples' structures are not traced
    @torch.compiler.disable(recursive=False)
    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: list[Any],
        train_cfg: dict[str, Any] | None = None,
    ) -> dict[str, Tensor]:
        """Losses by name, one heatmap loss per stride, pull and push.

        Args:
            feats: The first entry is the stride-4 feature (B, C, H, W).
            batch_data_samples: ``PoseDataSample`` with ``gt_fields.heatmaps`` and
                ``.heatmap_mask`` of two levels, and ``gt_instance_labels.keypoint_indices``.
            train_cfg: Not used.
        """
        output = self.forward(feats)
        targets, masks = self._field_targets(batch_data_samples, output.heatmaps)
        return {
            **self._heatmap_losses(output, targets, masks),
            **self._tag_losses(output.tags, batch_data_samples),
        }

    def _heatmap_losses(
        self, output: HeadOutput, targets: list[Tensor], masks: list[Tensor]
    ) -> dict[str, Tensor]:
        on_gpu = output.tags.device.type != "cpu"
        compute = self._level_losses
        if self.compile_losses and on_gpu:
            compute = self._compiled_level_losses
        nothing = (None,) * len(STRIDES)
        levels = zip(
            output.heatmaps,
            output.scales or nothing,
            output.weight_shifts or nothing,
            targets,
            masks,
            strict=True,
        )
        return {
            f"loss_{name}_s{stride}": loss
            for stride, level in zip(STRIDES, levels, strict=True)
            for name, loss in compute(*level).items()
        }

    def _level_losses(
        self,
        heatmaps: Tensor,
        scales: Tensor | None,
        weight_shift: Tensor | None,
        target: Tensor,
        mask: Tensor,
    ) -> dict[str, Tensor]:
        """Losses of one resolution by name; maps are (B, K, H, W), the mask (B, 1, H, W)."""
        return dict(heatmap=self.heatmap_loss(heatmaps, target, mask=mask))

    @functools.cached_property
    def _compiled_level_losses(self) -> Callable[..., dict[str, Tensor]]:
        compiled: Callable[..., dict[str, Tensor]] = torch.compile(self._level_losses)
        return compiled

    def _tag_losses(self, tags: Tensor, batch_data_samples: list[Any]) -> dict[str, Tensor]:
        indices = [sample.gt_instance_labels.keypoint_indices for sample in batch_data_samples]
        pull, push = self.tag_loss(tags, indices)
        return dict(loss_pull=pull, loss_push=push)

    def _field_targets(
        self, batch_data_samples: list[Any], outputs: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Targets (B, K, H, W) and masks (B, 1, H, W) of each resolution."""
        targets, masks = [], []
        fields = [sample.gt_fields for sample in batch_data_samples]
        for level, output in enumerate(outputs):
            if "heatmaps" in fields[0]:
                target = torch.stack([field.heatmaps[level] for field in fields])
            else:
                target = self._render(batch_data_samples, level, output)
            if target.shape != output.shape:
                raise ValueError(
                    f"The codec's heatmaps at stride {STRIDES[level]} are of shape "
                    f"{tuple(target.shape[1:])} (K, H, W), but the head's output is "
                    f"{tuple(output.shape[1:])}. Give codec and head the same keypoints, and the "
                    "codec the size of the training images as `input_size`."
                )
            mask = torch.stack([field.heatmap_mask[level] for field in fields])
            targets.append(target)
            masks.append(mask.reshape(len(mask), 1, *mask.shape[-2:]))
        return targets, masks

    def _render(self, batch_data_samples: list[Any], level: int, output: Tensor) -> Tensor:
        """Targets (B, K, H, W) from the keypoints that a codec without heatmaps gives."""
        if self.decoder is None:
            raise RuntimeError(
                "The codec of the pipeline has `encode_heatmaps=False`: the head needs the codec "
                "as its `decoder` to render them."
            )
        centers = [sample.gt_instance_labels.keypoint_centers for sample in batch_data_samples]
        height, width = output.shape[2:]
        return render_heatmaps_on_device(
            [center[:, :, level] for center in centers], (width, height), self.decoder.sigma
        )

    # ---------------------------------------------------------------- test

    def pose_maps(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Heatmaps (B, K, H, W) at stride 2, mean of both resolutions, and tags at stride 4.

        The branches of training take no part.
        """
        _, maps = self._features_and_maps(feats)
        return merge_resolutions(maps.heatmaps), maps.tags

    def test_passes(
        self, feats: Any, flip_indices: Sequence[int] | None
    ) -> list[tuple[Tensor, Tensor]]:
        """Maps of one scale, the flipped pass undone.

        Args:
            feats: Features of the original, or a list of those of the original and the flipped
                input (MMPose's convention for flip test).
            flip_indices: (K,), for each keypoint its mirror image; needed for flip test.
        """
        if not isinstance(feats, list):
            return [self.pose_maps(feats)]
        if flip_indices is None:
            raise ValueError(
                "Flip test needs `flip_indices` in the meta information of the data samples: add "
                "it to the `meta_keys` of the packing transform."
            )
        original, flipped = feats
        heatmaps, tags = self.pose_maps(flipped)
        return [
            self.pose_maps(original),
            (flip_back(heatmaps, flip_indices), flip_back(tags, flip_indices)),
        ]

    def predict(
        self,
        feats: Any,
        batch_data_samples: list[Any],
        test_cfg: dict[str, Any] | None = None,
    ) -> Any:
        """People of each image from features, as MMPose's bottom-up estimator calls it.

        Args:
            feats: Features of one input; with ``flip_test`` the list [original, flipped].
            batch_data_samples: ``PoseDataSample`` with the input's ``batch_input_shape`` or
                ``img_shape`` (h, w), and ``flip_indices`` for flip test.
            test_cfg: ``output_heatmaps``, ``output_scales``.

        Returns:
            One ``InstanceData`` per image, with ``keypoints``, ``keypoint_scores``, ``bboxes`` and
            ``bbox_scores``, and where ``output_scales`` asks for them ``keypoint_widths`` (P, K) in
            input pixels; with ``output_heatmaps`` also one ``PixelData`` each.
        """
        test_cfg = test_cfg or {}
        meta = batch_data_samples[0].metainfo
        aggregator = MapAggregator(tuple(meta.get("batch_input_shape", meta["img_shape"])))
        aggregator.add_scale(self.test_passes(feats, meta.get("flip_indices")), keep_tags=True)
        scales = self.test_scales(feats, test_cfg)
        return self.predict_from_maps(*aggregator.result(), scales, test_cfg)

    def test_scales(self, feats: Any, test_cfg: dict[str, Any]) -> Tensor | None:
        """α (B, K, H, W) at stride 2 of the original pass, where ``output_scales`` asks for it."""
        if not test_cfg.get("output_scales", False):
            return None
        scales = self.forward(feats[0] if isinstance(feats, list) else feats).scales
        if scales is None:
            raise ValueError(
                f"`test_cfg.output_scales` is set, but {type(self).__name__} has no scale branch. "
                "Use `SWAHRHead`, or remove the option."
            )
        return scales[-1]

    def predict_from_maps(
        self, heatmaps: Tensor, tags: Tensor, scales: Tensor | None, test_cfg: dict[str, Any]
    ) -> Any:
        """People of each image from aggregated maps; see :meth:`predict` for what is returned."""
        _warn_of_fixed_options(test_cfg)
        if self.decoder is None:
            raise RuntimeError(
                f"{type(self).__name__} has no decoder: give it the codec as `decoder` in the "
                "config to predict."
            )
        preds = [
            _to_instances(*people)
            for people in zip(*self.decoder.batch_decode(heatmaps, tags), strict=True)
        ]
        if scales is not None:
            height, width = heatmaps.shape[2:]
            for index, people in enumerate(preds):
                people.keypoint_widths = keypoint_widths(
                    people.keypoints, scales[index], (height, width), self.decoder.sigma
                )
        if not test_cfg.get("output_heatmaps", False):
            return preds
        fields = [
            PixelData(heatmaps=heatmap, tags=tag)
            for heatmap, tag in zip(heatmaps.detach(), tags.detach(), strict=True)
        ]
        return preds, fields


def _to_instances(keypoints: Any, keypoint_scores: Any, instance_scores: Any) -> InstanceData:
    """People as MMPose expects them: boxes around the keypoints, in the keypoints' pixels."""
    return InstanceData(
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        bboxes=boxes_of_keypoints(keypoints, keypoint_scores),
        bbox_scores=instance_scores,
    )


def _warn_of_fixed_options(test_cfg: dict[str, Any]) -> None:
    for name, value in _FIXED_TEST_OPTIONS.items():
        if test_cfg.get(name, value) != value:
            print_log(
                f"`test_cfg.{name}={test_cfg[name]}` is not used: this head always tests as the "
                f"official implementation does, with `{name}={value}`.",
                logger="current",
                level=30,
            )
