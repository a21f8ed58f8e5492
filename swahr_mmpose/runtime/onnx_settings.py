"""Settings of an exported network, in the metadata of its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..decoding import DecodeOptions
from ..decoding.error_bars import ErrorBars
from ..layout import TEST_SIZE_DIVISOR

#: The entry in the file's metadata, a JSON object.
METADATA_KEY = "swahr_mmpose"

#: Sides of an input are this long at most, in pixels: maps of larger ones take tens of GB.
LONGEST_SIDE = 4096


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
        error_bars: Arguments of :class:`ErrorBars`; None without calibration.

    Raises:
        TypeError, ValueError: If a field is of another type, or out of its range.

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
    error_bars: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        width, height = self.fixed_size or (TEST_SIZE_DIVISOR, TEST_SIZE_DIVISOR)
        sizes, indices = (self.input_size, width, height), range(len(self.keypoints))
        are_sides = all(type(size) is int and 0 < size <= LONGEST_SIDE for size in sizes)
        if not are_sides or width % TEST_SIZE_DIVISOR or height % TEST_SIZE_DIVISOR:
            raise ValueError(
                f"`input_size`, and `fixed_size` in multiples of {TEST_SIZE_DIVISOR}, must be from "
                f"1 to {LONGEST_SIDE} pixels, not {sizes}"
            )
        bars = self.error_bars
        # NaN is in no range
        for name, is_valid in (
            ("keypoints", len(indices) > 0),
            ("skeleton", all(a in indices and b in indices for a, b in self.skeleton)),
            ("flip_pairs", all(a in indices and b in indices for a, b in self.flip_pairs)),
            ("mean", len(self.mean) == 3 and all(abs(own) <= 1e6 for own in self.mean)),
            ("std", len(self.std) == 3 and all(1e-6 <= own <= 1e6 for own in self.std)),
            ("heatmap_sigma", 1e-6 <= self.heatmap_sigma <= 1e6),
            ("decode", self.decode_options),  # checked when they are made
            ("error_bars", bars is None or len(ErrorBars(**bars).factors) == len(indices)),
        ):
            if not is_valid:
                raise ValueError(f"`{name}` is out of its range: {getattr(self, name)}")

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
            return cls(**json.loads(metadata[METADATA_KEY]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"'{path}' was not written by this version of `swahr export`: its "
                f"metadata can't be read ({type(error).__name__}: {error}). Export it again."
            ) from error
