"""Starting from a network of other keypoints: what both know is carried over by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .checks import TRAINING_BRANCHES

#: How the names of weights begin whose first dimension runs over keypoints.
_BY_KEYPOINT = ("head.final_layers.", *TRAINING_BRANCHES)
#: The deconvolution reads the feature, then heatmaps and tags: its first dimension is its input.
_DECONVOLUTION = "head.deconv_layers.0.0.0.weight"
_COARSE_OUTPUT = "head.final_layers.0.weight"


@dataclass(frozen=True)
class Transfer:
    """Weights to start from.

    Attributes:
        state_dict: All of the target's weights.
        carried: Names of the keypoints that both networks have.
        new: Names that only the target has; their weights are the target's own.
        left: Names that only the source has.

    Examples:
        >>> Transfer({}, carried=["nose"], new=["tail"], left=["left_wrist"]).new
        ['tail']
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
    source. All other weights are taken as they are. Branches that the source does not have stay
    the target's.

    Args:
        source: State dict of the network to start from, in this package's layout.
        target: State dict of the network to be trained, as it was initialised.
        source_names: Names of the source's keypoints, in order.
        target_names: Names of the target's keypoints, in order.

    Raises:
        ValueError: If a network has another number of keypoints than names, the source lacks
            something, or the two differ in more than their keypoints.

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
        given = state["head.final_layers.1.weight"].shape[0]
        if given != len(names):
            raise ValueError(
                f"{what} has {given} keypoints, but {len(names)} names were given for it. Give "
                "the keypoints of the dataset that it is for."
            )
    pairs = [(source_names.index(name), i) for i, name in enumerate(target_names)
             if name in source_names]  # fmt: skip
    state_dict = {}
    for name, own in target.items():
        if name in source:
            lead = own.shape[0] if own.dim() else 0
            if name == _DECONVOLUTION:
                lead = target[_COARSE_OUTPUT].shape[1]
            elif name.startswith(_BY_KEYPOINT):
                lead = 0
            state_dict[name] = _merge(
                name, source[name], own, lead, pairs, len(source_names), len(target_names)
            )
        elif name.startswith(TRAINING_BRANCHES):
            state_dict[name] = own
        else:
            raise ValueError(f"The checkpoint has no `{name}`: it is of another network.")
    return Transfer(
        state_dict,
        carried=[name for name in target_names if name in source_names],
        new=[name for name in target_names if name not in source_names],
        left=[name for name in source_names if name not in target_names],
    )


def _merge(
    name: str,
    source: Tensor,
    own: Tensor,
    lead: int,
    pairs: list[tuple[int, int]],
    source_count: int,
    own_count: int,
) -> Tensor:
    """The weight with ``lead`` rows as they are, then blocks of one row for each keypoint."""
    blocks = (own.shape[0] - lead) // own_count if own.dim() else 0
    expected = (lead + blocks * source_count, *own.shape[1:]) if own.dim() else ()
    if tuple(source.shape) != expected:
        raise ValueError(
            f"`{name}` is {tuple(source.shape)} in the checkpoint, where {expected} was expected: "
            "the networks differ in more than their keypoints. Use a checkpoint of the same width."
        )
    if not blocks:
        return source
    merged = own.clone()
    merged[:lead] = source[:lead]
    for block in range(blocks):
        for theirs, ours in pairs:
            merged[lead + block * own_count + ours] = source[lead + block * source_count + theirs]
    return merged
