"""Puts the model's weights into the memory format that convolutions run fastest in."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmpose.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Convert the model to ``channels_last`` before it trains or tests.

    Only the layout in memory changes; activations follow the weights.
    """

    def before_run(self, runner: Any) -> None:
        """Convert the model."""
        runner.model.to(memory_format=torch.channels_last)
