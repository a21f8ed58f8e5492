"""Logs which part of the heatmap loss comes from the pixels of people."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmpose.registry import HOOKS
from torch import Tensor

from swahr_mmpose.layout import STRIDES
from swahr_mmpose.models.losses import WeightAdaptiveLoss
from swahr_mmpose.models.losses.weight_adaptive_loss import (
    scale_adaptive_target,
    weight_adaptive_loss,
)


def foreground_loss_share(
    pred: Tensor,
    target: Tensor,
    scales: Tensor | None = None,
    mask: Tensor | None = None,
    weight_shift: Tensor | None = None,
    gamma: float | None = None,
) -> Tensor:
    """Part of the heatmap loss at pixels with G > 0, from 0 to 1; NaN if the loss is 0.

    Args:
        pred: (B, K, H, W), predicted heatmaps.
        target: (B, K, H, W), heatmaps G of the base width.
        scales: (B, K, H, W), α, or None.
        mask: (B, 1, H, W), which pixels count. None counts all.
        weight_shift: (B, K, H, W), δ, or None.
        gamma: Hardness of the soft foreground. None weighs all pixels alike.
    """
    whole = weight_adaptive_loss(pred, target, scales, mask, weight_shift, gamma)
    # with an exact prediction of people, what is left comes from the others
    exact = target if scales is None else scale_adaptive_target(target, scales.to(target.dtype))
    rest = torch.where(target > 0, exact, pred.to(target.dtype))
    return 1 - weight_adaptive_loss(rest, target, scales, mask, weight_shift, gamma) / whole


@HOOKS.register_module()
class LossShareHook(Hook):
    """Log ``foreground_share_s4`` and ``_s2``: see :func:`foreground_loss_share`.

    WAHR is meant for where the few pixels of people are a small part of the plain squared error.

    Args:
        interval: Iterations from one measurement to the next.
    """

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(f"`interval` must be at least 1 iteration, but got {interval}.")
        self.interval = interval
        self._shares: list[Tensor] = []
        self._wanted = False

    def before_train(self, runner: Any) -> None:
        """Watch the heatmap loss of the model's head."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._handle = model.head.heatmap_loss.register_forward_hook(
            self._measure, with_kwargs=True
        )

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Forget the last iteration."""
        self._wanted = self.every_n_train_iters(runner, self.interval)
        self._shares.clear()

    @torch.no_grad()
    def _measure(
        self, loss: WeightAdaptiveLoss, args: Any, kwargs: dict[str, Any], _: Tensor
    ) -> None:
        if self._wanted:
            kwargs = dict(kwargs, gamma=loss.gamma)
            self._shares.append(foreground_loss_share(*args, **kwargs))

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Log one share per resolution."""
        for stride, share in zip(STRIDES, self._shares):
            runner.message_hub.update_scalar(f"train/foreground_share_s{stride}", share)

    def after_train(self, runner: Any) -> None:
        """Let go of the loss."""
        self._handle.remove()
