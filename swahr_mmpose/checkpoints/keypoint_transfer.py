"""Transfers weights between networks with different keypoints, matched by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from .checks import TRAINING_BRANCHES, check_state_dict

#: The deconvolution reads the feature, then heatmaps and tags: its first dimension is its input.
_DECONVOLUTION = "head.deconv_layers.0.0.0.weight"
#: Prefixes of weights whose first dimension runs over keypoints.
_BY_KEYPOINT = ("head.final_layers.", *TRAINING_BRANCHES, _DECONVOLUTION)
_COARSE_OUTPUT, _OUTPUT = "head.final_layers.0.weight", "head.final_layers.1.weight"


class Transfer(NamedTuple):
    """Weights to start from.

    Attributes:
        state_dict: All of the target's weights.
        carried: Names of the keypoints that both networks have.
        new: Names that only the target has; their weights are the target's own.
        left: Names that only the source has.
    """

    state_dict: dict[str, Tensor]
    carried: list[str]
    new: list[str]
    left: list[str]


def transfer_keypoints(
    source: dict[str, Tensor],
    target: dict[str, Tensor],
    source_names: Sequence[str],
    target_names: Sequence[str],
) -> Transfer:
    """Weights for the target's keypoints from a network of the source's.

    Where a weight has one row for each keypoint (heatmaps, tags, what the deconvolution reads of
    them, scale and weight branches), the rows of keypoints of the same name are taken from the
    source. All other weights are taken as they are. What the source need not have stays the
    target's.

    Args:
        source: State dict of the network to start from, in this package's layout.
        target: State dict of the network to be trained, as it was initialised.
        source_names: Names of the source's keypoints, in order.
        target_names: Names of the target's keypoints, in order.

    Raises:
        ValueError: If a network has another number of keypoints than names.
        CheckpointError: If the two networks differ in more than their keypoints.

    Examples:
        >>> import torch
        >>> name = "head.final_layers.1.weight"
        >>> source, target = {name: torch.tensor([1.0, 2.0])}, {name: torch.zeros(2)}
        >>> transfer = transfer_keypoints(source, target, ["nose", "neck"], ["neck", "tail"])
        >>> transfer.state_dict[name].tolist(), transfer.new
        ([2.0, 0.0], ['tail'])
    """
    for what, names, state in (
        ("The checkpoint", source_names, source),
        ("The model", target_names, target),
    ):
        if _OUTPUT in state and len(state[_OUTPUT]) != len(names):
            raise ValueError(
                f"{what} has {len(state[_OUTPUT])} keypoints, but {len(names)} names were given "
                "for it. Give the keypoints of the dataset that it is for."
            )
    tag_dims = [
        len(state[_COARSE_OUTPUT]) // len(state[_OUTPUT]) - 1
        for state in (source, target)
        if state.keys() >= {_COARSE_OUTPUT, _OUTPUT}
    ]
    if len(set(tag_dims)) > 1:
        have = "The checkpoint has `tag_dim={}`, the model `tag_dim={}`.".format(*tag_dims)
        raise ValueError(f"{have} Give `model.head` the checkpoint's.")
    # rows of the weights with rows by keypoint that come before these
    leads = {
        name: target[_COARSE_OUTPUT].shape[1] if name == _DECONVOLUTION else 0
        for name, own in target.items()
        if name.startswith(_BY_KEYPOINT) and own.dim()
    }
    expected = dict(target)
    for name, lead in leads.items():
        own = target[name]
        rows = (len(own) - lead) // len(target_names) * len(source_names)
        expected[name] = own.new_empty((lead + rows, *own.shape[1:]), device="meta")
    check_state_dict(source, expected)

    carried = [name for name in target_names if name in source_names]
    theirs = [source_names.index(name) for name in carried]
    ours = [target_names.index(name) for name in carried]
    state_dict = {name: source.get(name, own) for name, own in target.items()}
    for name in source.keys() & leads.keys():
        lead, merged = leads[name], target[name].clone()
        own = source[name].to(merged)  # assignment to picked rows does not convert
        merged[:lead] = own[:lead]
        # blocks of one row for each keypoint, such as heatmaps and tags
        blocks = merged[lead:].unflatten(0, (-1, len(target_names)))
        blocks[:, ours] = own[lead:].unflatten(0, (-1, len(source_names)))[:, theirs]
        state_dict[name] = merged
    return Transfer(
        state_dict,
        carried,
        new=[name for name in target_names if name not in source_names],
        left=[name for name in source_names if name not in target_names],
    )
