"""Test loop and hooks for MMEngine's runner."""

from ..utils import requires_mmpose  # noqa: F401
from .channels_last_hook import ChannelsLastHook
from .checkpoint_hook import AtomicCheckpointHook
from .epoch_seed_hook import EpochSeedHook
from .finite_losses_hook import FiniteLossesHook
from .test_loop import BottomupTestLoop
from .visualization_hook import BottomupVisualizationHook

__all__ = [
    "AtomicCheckpointHook",
    "BottomupTestLoop",
    "BottomupVisualizationHook",
    "ChannelsLastHook",
    "EpochSeedHook",
    "FiniteLossesHook",
]
