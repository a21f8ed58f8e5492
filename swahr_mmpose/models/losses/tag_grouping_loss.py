"""Associative embedding: tags of one person alike, of different people apart."""

from __future__ import annotations

from collections.abc import Sequence

from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from .masking import at_least_float32


def tag_grouping_loss(tags: Tensor, keypoint_indices: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    r"""Pull and push loss of associative embedding in its ``exp`` form, mean over the batch.

    With :math:`\bar t_i` the mean tag of person i over the visible keypoints, and N people that
    have any:

    .. math:: L_{pull} = \frac1N \sum_i \operatorname{mean}_k \|t_{ik} - \bar t_i\|^2, \quad
              L_{push} = \frac{\sum_{ij} e^{-\|\bar t_i - \bar t_j\|^2} - N}{2 N (N-1)}

    Both are 0 for an image without people, push also for one person. For L = 1 this is the
    official implementation's loss; for L > 1 differences are Euclidean, as in the decoder.

    Nothing here depends on values on the device: no synchronisation with the host.

    Args:
        tags: (B, L·K, H, W), channel ``l * K + k``.
        keypoint_indices: Per image (N_i, K, 2) int64: (y·W + x, 1), or zeros where not visible.

    Returns:
        Pull and push, scalars in float32 at least.

    Raises:
        ValueError: If the shapes do not fit together.

    Examples:
        >>> import torch
        >>> tags = torch.tensor([[[[0.0, 1.0]]]])  # of two people, at pixels 0 and 1
        >>> people = torch.tensor([[[0, 1]], [[1, 1]]])
        >>> [round(loss.item(), 3) for loss in tag_grouping_loss(tags, [people])]
        [0.0, 0.184]
    """
    _check_shapes(tags, keypoint_indices)
    num_keypoints = keypoint_indices[0].shape[1]
    tags = at_least_float32(tags).flatten(2).unflatten(1, (-1, num_keypoints))
    # (B, N, K, 2): people that pad the shorter images have no visible keypoint
    padded = pad_sequence(list(keypoint_indices), batch_first=True)
    index, visible = padded[..., 0], (padded[..., 1] > 0).to(tags.dtype)
    gathered = tags.gather(3, index.transpose(1, 2)[:, None].expand(-1, tags.shape[1], -1, -1))
    person_tags = gathered.permute(0, 3, 2, 1)  # (B, N, K, L)

    count = visible.sum(dim=2)  # (B, N)
    present = (count > 0).to(tags.dtype)
    num_people = present.sum(dim=1)
    weight = (visible / count.clamp(min=1)[..., None])[..., None]
    means = (person_tags * weight).sum(dim=2)  # (B, N, L)

    deviation = ((person_tags - means[:, :, None]) ** 2 * weight).sum(dim=(2, 3))
    pull = deviation.sum(dim=1) / num_people.clamp(min=1)

    distance = ((means[:, :, None] - means[:, None]) ** 2).sum(dim=3)
    pairs = present[:, :, None] * present[:, None]
    closeness = ((-distance).exp() * pairs).sum(dim=(1, 2)) - num_people
    num_pairs = num_people * (num_people - 1)
    push = 0.5 * closeness * (num_pairs > 0) / num_pairs.clamp(min=1)
    return pull.mean(), push.mean()


def _check_shapes(tags: Tensor, keypoint_indices: Sequence[Tensor]) -> None:
    shapes = [tuple(indices.shape) for indices in keypoint_indices]
    fitting = [
        len(shape) == 3 and shape[2] == 2 and tags.shape[1] % shape[1] == 0 for shape in shapes
    ]
    if tags.ndim != 4 or len(shapes) != len(tags) or not all(fitting):
        raise ValueError(
            "`tags` must be of shape (B, L*K, H, W), and `keypoint_indices` (N, K, 2) for each of "
            f"the B images, but got {tuple(tags.shape)} and {shapes}."
        )


@MODELS.register_module()
class TagGroupingLoss(nn.Module):
    """Associative embedding loss (Newell et al., 2017); see :func:`tag_grouping_loss`.

    Args:
        pull_weight: Factor of the pull loss.
        push_weight: Factor of the push loss.

    Examples:
        >>> import torch
        >>> tags, person = torch.zeros(1, 17, 4, 4), torch.tensor([[[0, 1], [5, 1]]])
        >>> pull, push = TagGroupingLoss()(tags[:, :2], [person])
        >>> pull.item(), push.item()
        (0.0, 0.0)
    """

    def __init__(self, pull_weight: float = 1e-3, push_weight: float = 1e-3) -> None:
        super().__init__()
        self.pull_weight = pull_weight
        self.push_weight = push_weight

    def forward(self, tags: Tensor, keypoint_indices: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Pull and push; tags (B, L·K, H, W), indices (N_i, K, 2) per image."""
        pull, push = tag_grouping_loss(tags, keypoint_indices)
        return self.pull_weight * pull, self.push_weight * push
