"""Hooks for MMEngine's runner."""

from .channels_last_hook import ChannelsLastHook
from .loss_share_hook import LossShareHook

__all__ = ["ChannelsLastHook", "LossShareHook"]
