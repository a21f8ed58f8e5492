"""Variants that the ablation compares: heads and losses."""

from __future__ import annotations

from typing import Any

from mmpose.registry import MODELS
from torch import Tensor

from swahr_mmpose.models.losses import WeightAdaptiveLoss
from swahr_mmpose.models.losses.weight_adaptive_loss import (
    pixel_weight,
    scale_adaptive_target,
    soft_foreground,
)


@MODELS.register_module()
class DetachedWeightLoss(WeightAdaptiveLoss):
    """The loss of SWAHR with no gradient through the pixel weight; tried in the ablation only."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        scales: Tensor | None = None,
        mask: Tensor | None = None,
        weight_shift: Tensor | None = None,
    ) -> Tensor:
        """As :class:`WeightAdaptiveLoss`, from the formulas as they stand."""
        foreground = soft_foreground(target, self.gamma, weight_shift)
        weight = pixel_weight(pred.float().detach(), foreground)
        fitted = target if scales is None else scale_adaptive_target(target, scales.float())
        return (weight * (pred.float() - fitted) ** 2 * (1 if mask is None else mask)).mean()


_WAHR = dict(type="WeightAdaptiveLoss", gamma=0.01)
_PLAIN = dict(type="WeightAdaptiveLoss", gamma=None)
_WEAK_REGULARISER = dict(type="ScaleRegularizationLoss", loss_weight=0.1)

#: What differs between the variants: the head, laid over the experiment's config. First those of
#: the paper and the learned weight, then such that were tried to find out why results are as they
#: are.
VARIANTS: dict[str, dict[str, Any]] = {
    "higherhrnet": dict(type="HigherHRNetHead", heatmap_loss=_PLAIN),
    "sahr": dict(type="SWAHRHead", heatmap_loss=_PLAIN),
    "wahr": dict(type="HigherHRNetHead", heatmap_loss=_WAHR),
    "swahr": dict(type="SWAHRHead", heatmap_loss=_WAHR),
    "swahr_learned": dict(type="SWAHRHead", heatmap_loss=_WAHR, weight_branch="learned"),
    "higherhrnet_light": dict(type="HigherHRNetHead", heatmap_loss=dict(**_PLAIN, loss_weight=0.6)),
    "sahr_free": dict(type="SWAHRHead", heatmap_loss=_PLAIN, scale_loss=_WEAK_REGULARISER),
    "swahr_free": dict(type="SWAHRHead", heatmap_loss=_WAHR, scale_loss=_WEAK_REGULARISER),
    "swahr_gamma": dict(type="SWAHRHead", heatmap_loss=dict(type="WeightAdaptiveLoss", gamma=0.1)),
    "swahr_wide": dict(type="SWAHRHead", heatmap_loss=_WAHR, decoder=dict(sigma=3.0)),
    "swahr_detached": dict(
        type="SWAHRHead", heatmap_loss=dict(type="DetachedWeightLoss", gamma=0.01)
    ),
}

#: The variants that run unless others are named.
MAIN_VARIANTS = ("higherhrnet", "sahr", "wahr", "swahr", "swahr_learned")
