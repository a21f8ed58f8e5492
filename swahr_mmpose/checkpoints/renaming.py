"""Layouts of other implementations' checkpoints, and our names for theirs."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, NamedTuple


class Layout(NamedTuple):
    """The way in which an implementation names its weights.

    Attributes:
        name: The implementation.
        marks: Beginnings of names: a state dict of this layout has some of each.
        rename: Our name for one of its names.
    """

    name: str
    marks: tuple[str, ...]
    rename: Callable[[str], str]


def _by_beginning(beginnings: dict[str, str], name: str) -> str:
    """The name with another beginning, by the first in the table that fits."""
    for old, new in beginnings.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


_mmpose_0x = partial(_by_beginning, {"keypoint_head.": "head."})
_official = partial(
    _by_beginning,
    {
        "conv_scale_layers.": "head.scale_layers.",
        "final_layers.": "head.final_layers.",
        "deconv_layers.": "head.deconv_layers.",
        "": "backbone.",
    },
)

#: The layouts that are known; the first whose marks are there is taken.
LAYOUTS = (
    Layout("MMPose 0.x", ("keypoint_head.final_layers.1.",), _mmpose_0x),
    Layout("official SWAHR", ("final_layers.1.", "conv_scale_layers."), _official),
    Layout("official HigherHRNet", ("final_layers.1.",), _official),
)


def rename_weights(state_dict: dict[str, Any]) -> str | None:
    """Give the weights of a network in another layout our names, in place.

    Returns:
        The layout that it was in; None if it is in none of these, and stays as it is.

    Examples:
        >>> state_dict = {"keypoint_head.final_layers.1.weight": 0, "backbone.conv1.weight": 1}
        >>> rename_weights(state_dict)
        'MMPose 0.x'
        >>> list(state_dict)
        ['head.final_layers.1.weight', 'backbone.conv1.weight']
    """
    for layout in LAYOUTS:
        if all(any(name.startswith(mark) for name in state_dict) for mark in layout.marks):
            for name in list(state_dict):
                state_dict[layout.rename(name)] = state_dict.pop(name)
            return layout.name
    return None
