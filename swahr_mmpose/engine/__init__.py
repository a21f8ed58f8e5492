"""Test loop and hooks for MMEngine's runner."""

from .atomic_checkpoint_hook import AtomicCheckpointHook
from .bottomup_test_loop import BottomupTestLoop
from .bottomup_visualization_hook import BottomupVisualizationHook
from .channels_last_hook import ChannelsLastHook
from .epoch_seed_hook import EpochSeedHook

__all__ = [
    "AtomicCheckpointHook",
    "BottomupTestLoop",
    "BottomupVisualizationHook",
    "ChannelsLastHook",
    "EpochSeedHook",
]
