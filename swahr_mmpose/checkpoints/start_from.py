"""Starts a training from a network with other keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from .keypoint_transfer import transfer_keypoints
from .model_zoo import weights_of
from .reading import CheckpointError, state_dict_of
from .renaming import rename_weights


def start_from(
    model: nn.Module, checkpoint: str, target: Sequence[str], source: Sequence[str] | None = None
) -> None:
    """Load a checkpoint of other keypoints; those of the same name are carried over.

    Args:
        model: The network, initialised.
        checkpoint: Path or address; this package's layout or one that it knows. Or the name of a
            config that there are weights for.
        target: The keypoints of the model.
        source: Those of the checkpoint. None: as the checkpoint says.

    Raises:
        ValueError: If the keypoints are not those of the networks.
        CheckpointError: If the checkpoint can't be read, does not say its keypoints, or is of a
            network that differs in more than these.
    """
    checkpoint = weights_of(checkpoint) or checkpoint
    content = CheckpointLoader.load_checkpoint(checkpoint, map_location="cpu")
    weights = state_dict_of(content, checkpoint)
    rename_weights(weights)
    names = _names_in(content, checkpoint) if source is None else source
    transfer = transfer_keypoints(weights, model.state_dict(), names, target)
    model.load_state_dict(transfer.state_dict)
    print_log(
        f"Started from {checkpoint}. Keypoints carried over: {_listed(transfer.carried)}; new: "
        f"{_listed(transfer.new)}; left behind: {_listed(transfer.left)}.",
        logger="current",
    )


def _names_in(content: Any, checkpoint: str) -> list[str]:
    names = content.get("meta", {}).get("dataset_meta", {}).get("keypoint_id2name")
    if not names:
        raise CheckpointError(
            f"'{checkpoint}' does not say which keypoints it is for. Give `start_from.source`, the "
            "dataset that it was trained on, such as 'coco'."
        )
    return [names[index] for index in sorted(names)]


def _listed(names: Sequence[str], most: int = 20) -> str:
    """The names, or how many they are and the first."""
    if not names:
        return "none"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} ({', '.join(names[:most])}{more})"
