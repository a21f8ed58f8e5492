"""Bottom-up heads with outputs at two resolutions."""

from .higherhrnet_head import HigherHRNetHead
from .swahr_head import TRAINING_BRANCHES, SWAHRHead

__all__ = ["TRAINING_BRANCHES", "HigherHRNetHead", "SWAHRHead"]
