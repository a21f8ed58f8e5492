"""Test loop and hooks for MMEngine's runner."""

from .bottomup_test_loop import BottomupTestLoop
from .bottomup_visualization_hook import BottomupVisualizationHook
from .channels_last_hook import ChannelsLastHook

__all__ = ["BottomupTestLoop", "BottomupVisualizationHook", "ChannelsLastHook"]
