"""Layouts of other implementations' checkpoints, and our names for theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping
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

#: Parts of PaddleDetection's names, and ours: numbers before + and - are one more and one less.
_PADDLE = {
    r"^hrhrnet_head\.conv(\d)": r"head.final_layers.\1-",
    r"^hrhrnet_head\.deconv\.": "head.deconv_layers.0.0.",
    r"^hrhrnet_head\.blocks\.(\d)": r"head.deconv_layers.0.\1+.0",
    r"^hrhrnet_head\.scalelayer": "head.scale_layers.",
    r"\.conv_layer1_": ".conv",
    r"\.la1\.block_layer2_(\d)": r".layer1.\1-",
    r"\.tr1\.transition_tr1_layer_1": ".transition1.0",
    r"\.tr(\d)\.transition_tr\d_layer_(\d)": r".transition\1.\2-.0",
    r"\.st(\d)\.stage_st\d_(\d)\.": r".stage\1.\2-.",
    r"branches_func\.bb_\w+_layer_(\d)_(\d)": r"branches.\1-.\2-",
    r"fuse_func\.residual_st\d_\d_layer_(\d)_(\d)": r"fuse_layers.\1-.\2-",
    r"(fuse_layers.*)_(\d)": r"\1.\2-",
    r"conv(\d)\.conv\.": r"conv\1.",
    r"conv(\d)\.norm\.": r"bn\1.",
    r"\.conv_down\.": ".downsample.",
    r"\.conv\.": ".0.",
    r"\.norm\.": ".1.",
    r"\._mean$": ".running_mean",
    r"\._variance$": ".running_var",
}


def _paddle(name: str) -> str:
    for theirs, ours in _PADDLE.items():
        name = re.sub(theirs, ours, name)
    return re.sub(r"(\d)([+-])", lambda n: str(int(n[1]) + (1 if n[2] == "+" else -1)), name)


#: The layouts that are known; the first whose marks are there is taken.
LAYOUTS = (
    Layout("MMPose 0.x", ("keypoint_head.final_layers.1.",), _mmpose_0x),
    Layout("PaddleDetection", ("hrhrnet_head.conv2.",), _paddle),
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


#: Other networks, and beginnings of names that give them away; the first that fits is taken.
_OTHERS = {
    "a Lite-HRNet": ("backbone.stem.", "stem."),
    "a network with heatmaps of one size, such as a top-down one": (
        "final_conv.",
        "head.final_layer.",
        "keypoint_head.final_layer.",
    ),
    "an HRNet without keypoints, as for classification": ("conv_layer1_", "incre_modules."),
}


def other_network(state_dict: Mapping[str, Any]) -> str:
    """A sentence that says which network weights are of, if it is a known one of another kind.

    Examples:
        >>> other_network({"backbone.conv_layer1_1.conv.weight": 0, "final_conv.weight": 1})
        'It is a network with heatmaps of one size, such as a top-down one. '
    """
    for what, marks in _OTHERS.items():
        if any(name.startswith(marks) for name in state_dict):
            return f"It is {what}. "
    return ""
