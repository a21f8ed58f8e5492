"""Export of a trained network to a file."""

from ..utils import requires_mmpose  # noqa: F401
