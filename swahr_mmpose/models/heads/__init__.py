"""Bottom-up heads with outputs at two resolutions."""

from ..outputs import HeadOutput, Level
from .higherhrnet_head import HigherHRNetHead
from .swahr_head import SWAHRHead

__all__ = ["HeadOutput", "HigherHRNetHead", "Level", "SWAHRHead"]
