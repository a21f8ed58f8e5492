"""Bottom-up heads with outputs at two resolutions."""

from .higherhrnet_head import HigherHRNetHead
from .network import HeadOutput, Level
from .swahr_head import SWAHRHead

__all__ = ["HeadOutput", "HigherHRNetHead", "Level", "SWAHRHead"]
