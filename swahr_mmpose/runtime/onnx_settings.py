"""What an exported network has to say about itself, in the metadata of its file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

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
        ValueError: 'a.onnx' has no entry `swahr_mmpose` in its metadata. ...
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
            ValueError: If they are not there or incomplete.
        """
        fix = "Export it with this version's tools/export_onnx.py."
        try:
            content = json.loads(metadata[METADATA_KEY])
        except KeyError:
            raise ValueError(
                f"'{path}' has no entry `{METADATA_KEY}` in its metadata. {fix}"
            ) from None
        except ValueError as error:
            raise ValueError(f"The metadata of '{path}' can't be read: {error}. {fix}") from None
        names = {field.name for field in fields(cls)}
        if not isinstance(content, dict) or set(content) != names:
            given = content if isinstance(content, dict) else ()
            differing = sorted(names.symmetric_difference(given))
            raise ValueError(
                f"The metadata of '{path}' is that of another version: {differing} differ. {fix}"
            )
        settings = cls(**content)
        try:
            settings.decode_options  # noqa: B018  (they are checked when they are made)
            _check_numbers(settings)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The metadata of '{path}' can't be used: {error} {fix}") from None
        return settings


def _check_numbers(settings: OnnxSettings) -> None:
    """Raise a ValueError for what images can't be brought into a network's input with."""
    if not _are_numbers(settings.mean) or not _are_numbers(settings.std) or 0 in settings.std:
        raise ValueError("`mean` and `std` must be of 3 numbers, those of `std` not 0.")
    if not _is_size(settings.input_size):
        raise ValueError(f"`input_size` must be a multiple of {TEST_SIZE_DIVISOR} pixels.")
    fixed = settings.fixed_size
    if fixed is not None and not (len(fixed) == 2 and all(map(_is_size, fixed))):
        raise ValueError(f"`fixed_size` must be two multiples of {TEST_SIZE_DIVISOR} pixels.")
    if not 0 < settings.heatmap_sigma < math.inf:
        raise ValueError("`heatmap_sigma` must be above 0.")


def _are_numbers(values: Any) -> bool:
    return len(values) == 3 and all(
        isinstance(value, (int, float)) and math.isfinite(value) for value in values
    )


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and value > 0 and value % TEST_SIZE_DIVISOR == 0
