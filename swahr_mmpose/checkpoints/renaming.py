"""The layouts of checkpoints of other implementations, and our names for theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Official module names to ours; the first that matches is used.
_OFFICIAL_PREFIXES = (
    ("conv_scale_layers.", "head.scale_layers."),
    ("final_layers.", "head.final_layers."),
    ("deconv_layers.", "head.deconv_layers."),
    ("", "backbone."),
)
_MMPOSE_PREFIXES = (("keypoint_head.", "head."), ("backbone.", "backbone."))


class ConversionError(ValueError):
    """A checkpoint that can't be converted; the message says why and what to do.

    Examples:
        >>> identify(["fc.weight"])
        Traceback (most recent call last):
            ...
        swahr_mmpose.checkpoints.renaming.ConversionError: The keys are those of no ...
    """


def identify(keys: Iterable[str]) -> str:
    """Recognise a state dict by its keys.

    Returns:
        'official SWAHR', 'official HigherHRNet', 'MMPose 0.x' or 'HRNet backbone'.

    Raises:
        ConversionError: If it is none of the kinds that can be converted.

    Examples:
        >>> identify(["conv1.weight", "final_layers.1.weight", "conv_scale_layers.0.0.weight"])
        'official SWAHR'
    """
    names = set(keys)
    if any(name.startswith("head.") for name in names):
        raise ConversionError(
            "The checkpoint has a `head`: it is MMPose 1.x's or this package's own, and needs no "
            "conversion."
        )
    if "keypoint_head.final_layers.1.weight" in names:
        return "MMPose 0.x"
    if "final_layers.1.weight" in names:
        has_scales = any(name.startswith("conv_scale_layers.") for name in names)
        return "official SWAHR" if has_scales else "official HigherHRNet"
    if "conv1.weight" in names and any(name.startswith("stage4.") for name in names):
        return "HRNet backbone"
    raise ConversionError(
        "The keys are those of no known source. Known are official SWAHR and HigherHRNet "
        "(`final_layers.1.weight`), MMPose 0.x AEHigherResolutionHead "
        "(`keypoint_head.final_layers.1.weight`) and HRNet classifiers (`stage4.*`), but the "
        f"first keys are {sorted(names)[:3]}."
    )


def rename(key: str, kind: str) -> str:
    """Our name for a key of a checkpoint of that kind.

    Examples:
        >>> rename("final_layers.1.weight", "official SWAHR")
        'head.final_layers.1.weight'
    """
    if kind == "HRNet backbone":
        return key
    prefixes = _MMPOSE_PREFIXES if kind == "MMPose 0.x" else _OFFICIAL_PREFIXES
    for old, new in prefixes:
        if key.startswith(old):
            return new + key[len(old) :]
    return key


def rename_all(state_dict: dict[str, Any]) -> None:
    """Give the weights of a whole network of another implementation our names, in place.

    What is no such network stays as it is.

    Examples:
        >>> state_dict = {"keypoint_head.final_layers.1.weight": 0, "backbone.conv1.weight": 1}
        >>> rename_all(state_dict)
        >>> list(state_dict)
        ['head.final_layers.1.weight', 'backbone.conv1.weight']
    """
    if not state_dict or any(name.startswith("head.") for name in state_dict):
        return
    try:
        kind = identify(state_dict)
    except ConversionError:
        return
    if kind == "HRNet backbone":
        return
    for name in list(state_dict):
        state_dict[rename(name, kind)] = state_dict.pop(name)
