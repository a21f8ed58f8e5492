"""The head of SWAHR: HigherHRNet's, with branches that adapt the training targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import ModuleList
from mmpose.registry import MODELS
from torch import Tensor

from ...decoding.widths import MIN_NARROWING
from ..outputs import HeadOutput, Level
from .blocks import TrainingBranch
from .higherhrnet_head import HigherHRNetHead


@MODELS.register_module()
class SWAHRHead(HigherHRNetHead):
    """Head of SWAHR (Luo et al., CVPR 2021).

    Per resolution a scale branch predicts α, by which the target heatmaps narrow or widen. With
    ``weight_branch='learned'`` another of the same shape predicts a shift δ of the soft
    foreground in the pixel weight; it starts at zero, the paper's weight. The branches exist in
    training only: at test time they are not run unless asked for.

    Args:
        *args: As for :class:`HigherHRNetHead`; the default heatmap loss is
            ``WeightAdaptiveLoss``.
        weight_branch: ``'analytic'`` is the paper's weight, without parameters; ``'learned'``
            adds the branch.
        scale_loss: Config of the regulariser of α.
        weight_shift_loss: Config of the regulariser of δ, for ``'learned'`` only.
        **kwargs: As ``*args``.

    Raises:
        ValueError: If ``weight_branch`` is neither, its loss was given for ``'analytic'``, or the
            heatmap loss of ``'learned'`` has no weight (``gamma=None``).

    Examples:
        >>> import torch
        >>> head = SWAHRHead(in_channels=8, num_keypoints=17)
        >>> output = head((torch.zeros(1, 8, 16, 16),))
        >>> [tuple(scales.shape) for scales in output.scales]
        [(1, 17, 16, 16), (1, 17, 32, 32)]
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        *,
        weight_branch: str = "analytic",
        scale_loss: dict[str, Any] | None = None,
        weight_shift_loss: dict[str, Any] | None = None,
        heatmap_loss: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if weight_branch not in ("analytic", "learned"):
            raise ValueError(f"`weight_branch` must be 'analytic' or 'learned': {weight_branch!r}.")
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
        self.weight_layers: ModuleList | None = None
        if weight_branch == "learned":
            if getattr(self.heatmap_loss, "gamma", 0) is None:
                raise ValueError(
                    "`weight_branch='learned'` shifts the weight of WAHR, but `heatmap_loss` has "
                    "`gamma=None`, no weight. Give `gamma`, or use `weight_branch='analytic'`."
                )
            self.weight_layers = self._branch(norm_cfg)
            self.weight_shift_loss = MODELS.build(
                weight_shift_loss or dict(type="ScaleRegularizationLoss")
            )
        self.scales_known = True
        self._register_load_state_dict_pre_hook(self._before_loading)

    def _before_loading(self, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        branch = f"{prefix}scale_layers."
        self.scales_known = any(name.startswith(branch) for name in state_dict)

    def _branch(self, norm_cfg: dict[str, Any]) -> ModuleList:
        k = self.layout.num_keypoints
        return ModuleList(TrainingBranch(c, k, norm_cfg) for c in self.feature_channels)

    def forward(self, feats: Sequence[Tensor]) -> HeadOutput:
        """Maps and training branches from the backbone's features.

        Args:
            feats: The first entry is the stride-4 feature (B, C, H, W).
        """
        features, maps = self.features_and_maps(feats)
        shifts = None if self.weight_layers is None else _apply(self.weight_layers, features)
        # by its constructor: `torch.compile` can't trace `_replace`
        scales = _apply(self.scale_layers, features)
        return HeadOutput(maps.heatmaps, maps.tags, scales, weight_shifts=shifts)

    def loss(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """As for :class:`HigherHRNetHead`, with the regularisers of the branches."""
        self.scales_known = True
        losses: dict[str, Tensor] = super().loss(*args, **kwargs)
        return losses

    def level_losses(self, level: Level) -> dict[str, Tensor]:
        """Losses of one resolution by name."""
        heatmaps, target, mask, scales, shift = level
        assert scales is not None
        losses = {
            "heatmap": self.heatmap_loss(heatmaps, target, scales, mask, shift),
            "scale": self.scale_loss(scales, target, mask),
        }
        if shift is not None:
            losses["weight"] = self.weight_shift_loss(shift, target, mask)
        return losses

    @torch.no_grad()
    def level_figures(self, level: Level) -> dict[str, Tensor]:
        """Mean predicted width where people are, in multiples of the base width; 1 for no one."""
        assert level.scales is not None
        counted = (level.target > 0).float()
        if level.mask is not None:
            counted = counted * level.mask
        widths = (1 + level.scales.float()).clamp(min=MIN_NARROWING).rsqrt()
        number = counted.sum()
        no_one = (number == 0).float()  # an `if` would wait for the device
        return dict(mean_width=((widths * counted).sum() + no_one) / (number + no_one))

    def predict_maps(self, feats: Sequence[Tensor], with_scales: bool = False) -> HeadOutput:
        """As for :class:`HigherHRNetHead`."""
        if not (with_scales and self.scales_known):
            return super().predict_maps(feats, with_scales)
        features, maps = self.features_and_maps(feats)
        return HeadOutput(maps.heatmaps, maps.tags, _apply(self.scale_layers, features))


def _apply(branch: ModuleList, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """One map per resolution."""
    return tuple(layers(feature) for layers, feature in zip(branch, features))
