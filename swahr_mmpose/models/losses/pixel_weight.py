"""The pixel weight of WAHR."""

from __future__ import annotations

from torch import Tensor


def pixel_weight(pred: Tensor, foreground: Tensor) -> Tensor:
    r"""How much the error of each pixel counts: :math:`F\,|1 - P| + (1 - F)\,|P|`.

    Args:
        pred: Predicted heatmap values P, of any shape.
        foreground: Soft foreground F from 0 to 1, of the same shape.
    """
    return foreground * (1 - pred).abs() + (1 - foreground) * pred.abs()
