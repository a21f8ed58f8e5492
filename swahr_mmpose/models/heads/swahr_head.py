"""The head of SWAHR: HigherHRNet's, with branches that adapt the training targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mmcv.cnn import build_norm_layer
from mmengine.model import constant_init
from mmpose.registry import MODELS
from torch import Tensor, nn

from .higherhrnet_head import HigherHRNetHead
from .network import HeadOutput

#: How the names of weights begin that take no part in prediction.
TRAINING_BRANCHES = ("head.scale_layers.", "head.weight_layers.")

#: Side of the depthwise convolution in the scale and weight branches (official implementation).
_BRANCH_KERNEL = 9


@MODELS.register_module()
class SWAHRHead(HigherHRNetHead):
    """Head of SWAHR (Luo et al., CVPR 2021).

    Per resolution a scale branch predicts α, by which the target heatmaps narrow or widen. With
    ``weight_branch='learned'`` another of the same shape predicts a shift δ of the soft
    foreground in the pixel weight; it starts at zero, the paper's weight. The branches exist in
    training only: at test time they are not run unless asked for.

    Args:
        *args, **kwargs: As for :class:`HigherHRNetHead`; the default heatmap loss is
            ``WeightAdaptiveLoss``.
        weight_branch: ``'analytic'`` is the paper's weight, without parameters; ``'learned'``
            adds the branch.
        scale_loss: Config of the regulariser of α.
        weight_shift_loss: Config of the regulariser of δ, for ``'learned'`` only.

    Raises:
        ValueError: If ``weight_branch`` is neither, or its loss was given for ``'analytic'``.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        *,
        weight_branch: Literal["analytic", "learned"] = "analytic",
        scale_loss: dict[str, Any] | None = None,
        weight_shift_loss: dict[str, Any] | None = None,
        heatmap_loss: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if weight_branch not in ("analytic", "learned"):
            raise ValueError(
                f"`weight_branch` must be 'analytic' or 'learned', but got {weight_branch!r}."
            )
        if weight_branch == "analytic" and weight_shift_loss is not None:
            raise ValueError("`weight_shift_loss` is for `weight_branch='learned'` only.")
        norm_cfg = norm_cfg or dict(type="BN")
        super().__init__(
            in_channels,
            num_keypoints,
            heatmap_loss=heatmap_loss or dict(type="WeightAdaptiveLoss"),
            norm_cfg=norm_cfg,
            **kwargs,
        )
        self.scale_layers = self._branch(norm_cfg)
        self.scale_loss = MODELS.build(scale_loss or dict(type="ScaleRegularizationLoss"))
        self.weight_layers: nn.ModuleList | None = None
        if weight_branch == "learned":
            self.weight_layers = self._branch(norm_cfg)
            self.weight_shift_loss = MODELS.build(
                weight_shift_loss or dict(type="ScaleRegularizationLoss")
            )

    def _branch(self, norm_cfg: dict[str, Any]) -> nn.ModuleList:
        """Per resolution 1×1 convolution to K, normalisation, ReLU, depthwise convolution."""
        k = self.layout.num_keypoints
        return nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, k, kernel_size=1),
                build_norm_layer(norm_cfg, k)[1],
                nn.ReLU(inplace=True),
                nn.Conv2d(k, k, _BRANCH_KERNEL, padding=_BRANCH_KERNEL // 2, groups=k),
            )
            for channels in self.feature_channels
        )

    def init_weights(self) -> None:
        """Initialise, the last convolution of each branch with zeros: α = 0 and δ = 0."""
        super().init_weights()
        for branches in (self.scale_layers, self.weight_layers):
            for branch in branches or ():
                constant_init(list(branch.children())[-1], 0)

    def forward(self, feats: Sequence[Tensor]) -> HeadOutput:
        """Maps and training branches from the backbone's features.

        Args:
            feats: The first entry is the stride-4 feature (B, C, H, W).
        """
        features, maps = self._features_and_maps(feats)
        shifts = None if self.weight_layers is None else _apply(self.weight_layers, features)
        return HeadOutput(
            maps.heatmaps, maps.tags, _apply(self.scale_layers, features), weight_shifts=shifts
        )

    def _level_losses(
        self,
        heatmaps: Tensor,
        scales: Tensor | None,
        weight_shift: Tensor | None,
        target: Tensor,
        mask: Tensor,
    ) -> dict[str, Tensor]:
        assert scales is not None
        losses = dict(
            heatmap=self.heatmap_loss(heatmaps, target, scales, mask, weight_shift),
            scale=self.scale_loss(scales, target, mask),
        )
        if weight_shift is not None:
            losses["weight"] = self.weight_shift_loss(weight_shift, target, mask)
        return losses


def _apply(branch: nn.ModuleList, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """One map per resolution."""
    return tuple(layers(feature) for layers, feature in zip(branch, features, strict=True))
