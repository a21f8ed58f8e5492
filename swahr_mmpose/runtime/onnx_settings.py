"""Settings of an exported network, in the metadata of its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..decoding import DecodeOptions

#: The entry in the file's metadata, a JSON object.
METADATA_KEY = "swahr_mmpose"


@dataclass(frozen=True)
class OnnxSettings:
    """What is needed to find people with an exported network, besides its file.

    Attributes:
        keypoints: Names of the keypoints, in order.
        skeleton: Pairs of keypoint indices to draw lines between.
        flip_pairs: Pairs of keypoint indices that are each other's mirror image.
        keypoint_sigmas: The dataset's standard deviations for OKS.
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
        ValueError: 'a.onnx' is no network of this version's tools/export_onnx.py: ...
    """

    keypoints: list[str]
    skeleton: list[list[int]]
    flip_pairs: list[list[int]]
    keypoint_sigmas: list[float]
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
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"'{path}' is no network of this version's tools/export_onnx.py: its metadata "
                f"can't be read ({type(error).__name__}: {error}). Export it again."
            ) from error
        return settings
