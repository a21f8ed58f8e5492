"""The head of HigherHRNet: heatmaps at strides 4 and 2, tags at stride 4."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Callable

import torch
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from torch import Tensor, nn

from ...layout import STRIDES, TAG_LEVEL, OutputLayout
from ...utils.environment import not_compiled
from ..aggregation import aggregate_maps
from ..outputs import AggregatedMaps, HeadOutput, Level
from .blocks import deconv_block
from .predictions import check_test_options, predict_people
from .sample_targets import heatmap_masks, heatmap_targets


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
            maps are read once for all.
        decoder: Config of the codec, needed for prediction.
        init_cfg: Initialisation. None is the official one: convolutions from N(0, 0.001²).

    Attributes:
        scales_known: Whether α means something: there is a scale branch, and a checkpoint that was
            loaded had it too.

    Raises:
        ValueError: If the codec, or one of its options, is for other keypoints or another tag size.

    Examples:
        >>> head = HigherHRNetHead(in_channels=8, num_keypoints=17)
        >>> output = head((torch.zeros(1, 8, 16, 16),))
        >>> [tuple(maps.shape) for maps in output.heatmaps], tuple(output.tags.shape)
        ([(1, 17, 16, 16), (1, 17, 32, 32)], (1, 17, 16, 16))
    """

    scales_known = False

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
        if hasattr(codec, "decode_options"):
            codec.decode_options.order_for(self.layout.num_keypoints)
        return codec

    # ---------------------------------------------------------------- network

    def features_and_maps(
        self, feats: Sequence[Tensor]
    ) -> tuple[tuple[Tensor, Tensor], HeadOutput]:
        """Features (B, C, H, W) at both resolutions, and heatmaps and tags from them.

        Args:
            feats: The first entry is the stride-4 feature (B, C, H, W).
        """
        coarse = feats[0]
        output = self.final_layers[0](coarse)
        fine = self.deconv_layers[0](torch.cat([coarse, output], dim=1))
        heatmaps, tags = self.layout.split(output)
        return (coarse, fine), HeadOutput((heatmaps, self.final_layers[1](fine)), tags)

    def forward(self, feats: Sequence[Tensor]) -> HeadOutput:
        """Maps from the backbone's features; arguments as for :meth:`features_and_maps`."""
        return self.features_and_maps(feats)[1]

    # ---------------------------------------------------------------- training

    # under `torch.compile` the network is compiled, and the data samples' structures are not traced
    @not_compiled
    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: list[Any],
        train_cfg: dict[str, Any] | None = None,
    ) -> dict[str, Tensor]:
        """Losses by name, one heatmap loss per stride, pull and push, and figures for the log.

        Args:
            feats: The first entry is the stride-4 feature (B, C, H, W).
            batch_data_samples: ``PoseDataSample`` as ``GenerateTarget`` with the codec gives them;
                ``gt_fields.heatmap_mask`` of two levels where the pipeline makes masks.
            train_cfg: Not used.

        Raises:
            ValueError: If the samples' targets are missing, or don't fit the head.
        """
        output = self.forward(feats)
        sigma = getattr(self.decoder, "sigma", None)
        targets = heatmap_targets(batch_data_samples, output.heatmaps, sigma)
        nothing = (None,) * len(STRIDES)
        levels = list(
            map(
                Level,
                output.heatmaps,
                targets,
                heatmap_masks(batch_data_samples),
                output.scales or nothing,
                output.weight_shifts or nothing,
            )
        )
        compiled = self.compile_losses and output.tags.device.type != "cpu"
        compute = self._compiled_level_losses if compiled else self.level_losses
        losses = {
            f"loss_{name}_s{stride}": loss
            for stride, level in zip(STRIDES, levels)
            for name, loss in compute(level).items()
        }
        indices = [sample.gt_instance_labels.keypoint_indices for sample in batch_data_samples]
        pull, push = self.tag_loss(output.tags, indices)
        figures = {
            f"{name}_s{stride}": figure
            for stride, level in zip(STRIDES, levels)
            for name, figure in self.level_figures(level).items()
        }
        return dict(losses, loss_pull=pull, loss_push=push, **figures)

    def level_losses(self, level: Level) -> dict[str, Tensor]:
        """Losses of one resolution by name."""
        return {"heatmap": self.heatmap_loss(level.heatmaps, level.target, mask=level.mask)}

    def level_figures(self, level: Level) -> dict[str, Tensor]:
        """What the log is to have of one resolution besides losses, by name; here nothing."""
        return {}

    @functools.cached_property
    def _compiled_level_losses(self) -> Callable[[Level], dict[str, Tensor]]:
        compiled: Callable[[Level], dict[str, Tensor]] = torch.compile(self.level_losses)
        return compiled

    # ---------------------------------------------------------------- test

    def predict_maps(self, feats: Sequence[Tensor], with_scales: bool = False) -> HeadOutput:
        """The maps of one pass that prediction needs; training branches run where asked for only.

        Args:
            feats: The first entry is the stride-4 feature (B, C, H, W).
            with_scales: Whether α is wanted (``test_cfg.output_scales``).

        Raises:
            ValueError: If α is wanted, and not known.
        """
        if with_scales and not self.scales_known:
            raise ValueError(
                "Widths are asked for (`test_cfg.output_scales`, or 'scales' in the visualizer's "
                "`maps`), but the network has no trained scale branch. Use `SWAHRHead` with a "
                "checkpoint of SWAHR, or leave them out."
            )
        return self.features_and_maps(feats)[1]

    def predict(
        self,
        feats: Any,
        batch_data_samples: list[Any],
        test_cfg: dict[str, Any] | None = None,
    ) -> Any:
        """People of each image from features, as MMPose's own bottom-up estimator calls it.

        Args:
            feats: Features of one input; with ``flip_test`` those of the original and of the
                mirrored one.
            batch_data_samples: ``PoseDataSample`` with the input's ``batch_input_shape`` or
                ``img_shape`` (h, w), and ``flip_indices`` for flip test; of an image also with
                ``ori_shape``, ``input_size``, ``input_center`` and ``input_scale``.
            test_cfg: ``flip_test``, ``output_heatmaps``, ``output_scales``.

        Returns:
            As :meth:`decode_maps`.
        """
        test_cfg = test_cfg or {}
        check_test_options(test_cfg)
        passes = feats if test_cfg.get("flip_test", False) else [feats]
        with_scales = test_cfg.get("output_scales", False)
        sample = batch_data_samples[0]
        maps = aggregate_maps(
            [[self.predict_maps(own, with_scales) for own in passes]],
            tuple(sample.get("batch_input_shape", sample.get("img_shape"))),
            sample.get("flip_indices"),
        )
        return self.decode_maps(maps, test_cfg, batch_data_samples)

    def decode_maps(
        self, maps: AggregatedMaps, test_cfg: dict[str, Any], data_samples: Sequence[Any]
    ) -> Any:
        """People of each image from aggregated maps, as :func:`.predictions.predict_people`.

        Raises:
            RuntimeError: If the head has no codec.
        """
        if self.decoder is None:
            raise RuntimeError(
                f"{type(self).__name__} has no decoder: give it the codec as `decoder` in the "
                "config to predict."
            )
        return predict_people(self.decoder, maps, test_cfg, data_samples)
