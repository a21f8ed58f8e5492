"""Settings of an exported network, in the metadata of its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..decoding import DecodeOptions
from ..layout import TEST_SIZE_DIVISOR

#: The entry in the file's metadata, a JSON object.
METADATA_KEY = "swahr_mmpose"


@dataclass(frozen=True)
class OnnxSettings:
    """What is needed to find people with an exported network, besides its file.

    Attributes:
        keypoints: Names of the keypoints, in order.
        skeleton: Pairs of keypoint indices to draw lines between.
        flip_pairs: Pairs of keypoint indices that are each other's mirror image.
        mean: Of the pixels, red, green, blue.
        std: Likewise.
        input_size: Length of the input's short side in pixels.
        fixed_size: (w, h) of the only input that the network takes; None where any multiple of 64
            will do.
        heatmap_sigma: Base width σ0 in map pixels.
        decode: Arguments of :class:`DecodeOptions`.
        flip_test: Whether the mirrored pass is part of the network.
        output_scales: Whether it yields α, for the widths of keypoints.
        half: Whether it computes in half precision.
        opset: Version of ONNX's operators.
        exporter: What wrote the file.

    Examples:
        >>> OnnxSettings.from_metadata({}, "a.onnx")
        Traceback (most recent call last):
            ...
        ValueError: 'a.onnx' was not written by this version of `swahr export`: ...
    """

    keypoints: list[str]
    skeleton: list[list[int]]
    flip_pairs: list[list[int]]
    mean: list[float]
    std: list[float]
    input_size: int
    fixed_size: list[int] | None
    heatmap_sigma: float
    decode: dict[str, Any]
    flip_test: bool
    output_scales: bool
    half: bool
    opset: int
    exporter: str

    @property
    def decode_options(self) -> DecodeOptions:
        """How people are read from the maps."""
        return DecodeOptions(**self.decode)

    def to_metadata(self) -> dict[str, str]:
        """Entries for the file's metadata."""
        return {METADATA_KEY: json.dumps(asdict(self))}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: str) -> OnnxSettings:
        """Read the settings.

        Args:
            metadata: All entries of the file's metadata.
            path: The file, for messages.

        Raises:
            ValueError: If they are not there, or those of another version.
        """
        try:
            settings = cls(**json.loads(metadata[METADATA_KEY]))
            settings.decode_options  # noqa: B018  (they are checked when they are made)
            _check_numbers(settings)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"'{path}' was not written by this version of `swahr export`: its "
                f"metadata can't be read ({type(error).__name__}: {error}). Export it again."
            ) from error
        return settings


def _check_numbers(settings: OnnxSettings) -> None:
    """Raise a ValueError unless images can be brought to the network's input with the numbers."""
    numbers = [*settings.mean, *settings.std, settings.heatmap_sigma]
    if not (len(settings.mean) == len(settings.std) == 3 and np.isfinite(numbers).all()):
        raise ValueError("`mean` and `std` must be of 3 numbers, and `heatmap_sigma` be one")
    if min(*settings.std, settings.heatmap_sigma) <= 0:
        raise ValueError("`std` and `heatmap_sigma` must be above 0")
    width, height = settings.fixed_size or (TEST_SIZE_DIVISOR, TEST_SIZE_DIVISOR)
    for size in (settings.input_size, width, height):
        if not isinstance(size, int) or size < 1 or size % TEST_SIZE_DIVISOR:
            raise ValueError(f"a size is {size!r}, and no multiple of {TEST_SIZE_DIVISOR} pixels")
