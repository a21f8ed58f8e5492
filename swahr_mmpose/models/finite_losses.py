"""A training stops at the first batch that would make its weights NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..utils.environment import not_compiled


class _Noted(NamedTuple):
    """Of one step: which losses are finite, (N,) bool on the device, their names, the image ids."""

    finite: Tensor
    names: list[str]
    image_ids: list[Any]


class FiniteLosses:
    """Raises where losses are NaN or infinite, naming the images.

    On the CPU that is before the optimizer's step, so that the weights are as they were. Another
    device is not waited for: what it computed is looked at when the next step begins (MMEngine has
    read the losses for its log by then), and :class:`AtomicCheckpointHook` saves no weights that
    are NaN in between.

    Examples:
        >>> FiniteLosses().check({"loss": torch.tensor(float("nan"))}, [dict(img_id=7)])
        Traceback (most recent call last):
            ...
        FloatingPointError: loss of the batch with the images [7] is NaN or infinite. ...
    """

    def __init__(self) -> None:
        self._last: _Noted | None = None

    @not_compiled
    def look_back(self) -> None:
        """Look at the losses of the step before; to be called before the network runs again.

        Raises:
            FloatingPointError: If they are not finite.
        """
        last, self._last = self._last, None
        if last is not None:
            _raise_unless_finite(last, "No checkpoint has the weights that came of it")

    @not_compiled
    def check(self, losses: Mapping[str, Tensor], samples: Sequence[Any]) -> None:
        """Take the losses of a step, scalars by name, and the samples that they are of.

        Only what has ``loss`` in its name is a loss, as for MMEngine; the rest is for the log.

        Raises:
            FloatingPointError: If they are not finite, on the CPU.
        """
        named = {name: loss.detach() for name, loss in losses.items() if "loss" in name}
        finite = torch.stack(list(named.values())).isfinite()
        noted = _Noted(finite, list(named), [sample.get("img_id") for sample in samples])
        if finite.device.type == "cpu":
            _raise_unless_finite(noted, "The weights were not changed")
        else:
            self._last = noted


def _raise_unless_finite(noted: _Noted, state: str) -> None:
    broken = [name for name, finite in zip(noted.names, noted.finite.tolist()) if not finite]
    if broken:
        raise FloatingPointError(
            f"{', '.join(broken)} of the batch with the images {noted.image_ids} "
            f"{'is' if len(broken) == 1 else 'are'} NaN or infinite. {state}. Look at these images "
            "and their annotations (tools/check_dataset.py); if they are sound, the training "
            "diverged: go on from the last checkpoint with `--resume` and a lower learning rate, "
            "and with bfloat16 in place of float16."
        )


@not_compiled
def check_images(inputs: Tensor, samples: Sequence[Any]) -> None:
    """Raise a ValueError that names the images which hold NaN or infinity; on the CPU only.

    Those would pass into the running statistics of batch norm. For other devices, which would have
    to be waited for, :class:`BottomupPackInputs` looks at each image in the data loader.

    Args:
        inputs: (B, 3, H, W).
        samples: Their data samples.

    Examples:
        >>> check_images(torch.full((1, 3, 2, 2), float("nan")), [dict(img_id=7)])
        Traceback (most recent call last):
            ...
        ValueError: The images [7] hold NaN or infinity after the data preprocessor. ...
    """
    # a sum is NaN or infinite where anything in it is, and takes one pass without a copy
    if inputs.device.type != "cpu" or inputs.sum().isfinite():
        return
    finite = inputs.flatten(1).isfinite().all(dim=1).tolist()
    broken = [sample.get("img_id") for sample, good in zip(samples, finite) if not good]
    if broken:
        raise ValueError(
            f"The images {broken} hold NaN or infinity after the data preprocessor. Look for the "
            "transform that makes it, and at its `mean` and `std`."
        )
