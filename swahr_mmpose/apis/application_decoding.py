"""Decoding for applications: one skeleton per person, and no weak ones.

Configs decode as the official implementation does, so that figures can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..codecs import ScaleAdaptiveHeatmap
from ..decoding import APPLICATION_OPTIONS, DecodeOptions
from ..utils.arguments import did_you_mean


def reads_for_applications(model: Any, decode: Mapping[str, Any] | None = None) -> None:
    """Make a model decode with :data:`swahr_mmpose.decoding.APPLICATION_OPTIONS`.

    Args:
        model: As ``init_model`` gives it, with :class:`ScaleAdaptiveHeatmap` as its codec.
        decode: Arguments of :class:`swahr_mmpose.decoding.DecodeOptions` to change.

    Raises:
        TypeError: If ``decode`` names an unknown option.
        ValueError: If one is out of its range, or the model has another codec.

    Examples:
        >>> from types import SimpleNamespace
        >>> codec = ScaleAdaptiveHeatmap((64, 64), [(16, 16), (32, 32)])
        >>> model = SimpleNamespace(head=SimpleNamespace(decoder=codec), dataset_meta={})
        >>> reads_for_applications(model, dict(min_score=0.3))
        >>> codec.decode_options.grouping, codec.decode_options.min_score
        ('score_first', 0.3)
    """
    codec = model.head.decoder
    if not isinstance(codec, ScaleAdaptiveHeatmap):
        raise ValueError(
            f"The model's codec is `{type(codec).__name__}`, and not `ScaleAdaptiveHeatmap`. Use "
            "MMPose's own `MMPoseInferencer`, or a config of this package."
        )
    for name in decode or {}:
        if name not in vars(codec.decode_options):
            hint = did_you_mean(name, vars(codec.decode_options))
            raise TypeError(f"`decode` has no option `{name}`.{hint}")
    sigmas = model.dataset_meta.get("sigmas")
    known = {} if sigmas is None else dict(keypoint_sigmas=[float(sigma) for sigma in sigmas])
    options = {**known, **APPLICATION_OPTIONS, **(decode or {})}
    codec.decode_options = DecodeOptions(**{**vars(codec.decode_options), **options})


def gives_widths(model: Any) -> None:
    """Make a model give ``keypoint_widths``; a ValueError if its weights have no scale branch."""
    if not model.head.scales_known:
        raise ValueError(
            "The checkpoint has no scale branch, which predicts widths. Leave out the widths."
        )
    model.test_cfg["output_scales"] = True
