"""Bottom-up heads with outputs at two resolutions."""

from .higherhrnet_head import HigherHRNetHead
from .swahr_head import SWAHRHead

__all__ = ["HigherHRNetHead", "SWAHRHead"]
