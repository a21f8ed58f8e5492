"""Stops a training at the first batch whose losses are NaN or infinite."""

from __future__ import annotations

from typing import Any

from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmpose.registry import HOOKS


@HOOKS.register_module()
class FiniteLossesHook(Hook):
    """Ends a training whose losses are not finite, with an error that names the images.

    The weights in memory have changed by then, but hooks that save them come later. MMEngine has
    read the losses for its log before, so the device has been waited for. Where there are several
    processes, the losses of one end all.
    """

    priority = "HIGH"  # behind MMEngine's reading of the losses, ahead of checkpoints

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the losses of a step.

        Raises:
            FloatingPointError: If they are not finite.
        """
        total = outputs["loss"].detach().clone()  # the sum of all losses
        all_reduce(total)
        if total.isfinite():
            return
        broken = [
            name for name, value in outputs.items() if "loss" in name and not value.isfinite()
        ]
        images = [sample.get("img_id") for sample in data_batch["data_samples"]]
        what = f"{', '.join(broken)} of the batch with the images {images}"
        raise FloatingPointError(
            f"{what if broken else 'A loss of another process'} {'are' if broken else 'is'} NaN or "
            "infinite. No checkpoint has the weights that came of it. Look at these images and "
            "their annotations (`swahr check`); if they are sound, the training diverged: "
            "go on from the last checkpoint with `--resume` and a lower learning rate, and with "
            "bfloat16 in place of float16."
        )
