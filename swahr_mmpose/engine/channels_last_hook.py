"""Puts the model's weights into the memory format that convolutions run fastest in."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmpose.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Convert the model to ``channels_last`` before it trains or tests.

    Only the layout in memory changes; activations follow the weights.
    """

    def before_run(self, runner: Any) -> None:
        """Convert the model; a wrapper for several processes is made anew around it.

        The wrapper lays out buckets for gradients when it is made, in the weights' layout.
        """
        if not is_model_wrapper(runner.model):
            runner.model.to(memory_format=torch.channels_last)
            return
        model = runner.model.module.to(memory_format=torch.channels_last)
        runner.model = None  # its hooks on the weights go with it
        runner.model = runner.wrap_model(runner.cfg.get("model_wrapper_cfg"), model)
