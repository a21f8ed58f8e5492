"""Meaning and stride of each output channel, defined here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: Input pixels per map pixel, one entry per output resolution, coarsest first. The network's
#: topology (one deconvolution block after the stride-4 backbone) fixes both.
STRIDES = (4, 2)

#: Index into :data:`STRIDES` of the resolution that carries the tags and the keypoint indices.
TAG_LEVEL = 0

#: The longest stride inside the HRNet backbone; sides of an input are multiples of it.
BACKBONE_STRIDE = 32

#: What one side of a network input is rounded up to at test time (official implementation).
TEST_SIZE_DIVISOR = 64


@dataclass(frozen=True)
class OutputLayout:
    """The channels of the head's output convolutions.

    Args:
        num_keypoints: Number of keypoints of one person, K.
        tag_dim: Number of tags per keypoint, L. Tag channel ``l * K + k`` holds tag ``l`` of
            keypoint ``k``.

    Raises:
        ValueError: If a count is not positive.

    Examples:
        >>> layout = OutputLayout(num_keypoints=17)
        >>> [layout.output_channels(level) for level in range(len(STRIDES))]
        [34, 17]
    """

    num_keypoints: int
    tag_dim: int = 1

    def __post_init__(self) -> None:
        for name in ("num_keypoints", "tag_dim"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive integer, but got {value!r}.")

    @property
    def tag_channels(self) -> int:
        """Number of tag channels, L·K."""
        return self.num_keypoints * self.tag_dim

    def output_channels(self, level: int) -> int:
        """Number of channels that the 1×1 output convolution of ``level`` yields."""
        return self.num_keypoints + (self.tag_channels if level == TAG_LEVEL else 0)

    def split(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Split the output of :data:`TAG_LEVEL`, (B, K+L·K, H, W), into heatmaps and tags."""
        heatmaps, tags = output.split([self.num_keypoints, self.tag_channels], dim=1)
        return heatmaps, tags


def map_sizes(input_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Sizes (w, h) of the output maps for a network input of ``input_size`` (w, h) pixels.

    Raises:
        ValueError: If a side of the input is not a multiple of :data:`BACKBONE_STRIDE`.

    Examples:
        >>> map_sizes((512, 384))
        [(128, 96), (256, 192)]
    """
    w, h = input_size
    for name, side in (("width", w), ("height", h)):
        if side <= 0 or side % BACKBONE_STRIDE:
            below = side // BACKBONE_STRIDE * BACKBONE_STRIDE
            raise ValueError(
                f"The {name} of `input_size` {tuple(input_size)} is {side}, which the network's "
                f"strides do not divide. Use a multiple of {BACKBONE_STRIDE}, such as "
                f"{max(below, BACKBONE_STRIDE)} or {below + BACKBONE_STRIDE}."
            )
    return [(w // stride, h // stride) for stride in STRIDES]
