"""MMPose 0.x configs of HigherHRNet, translated into this package's."""

from ..utils import requires_mmpose  # noqa: F401
from .old_config import OldConfig, OldConfigError
from .translate import Translation, translate

__all__ = ["OldConfig", "OldConfigError", "Translation", "translate"]
