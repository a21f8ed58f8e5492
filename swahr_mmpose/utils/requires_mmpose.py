"""Raises where MMPose is not installed: what each part that needs it imports first."""

from .environment import is_installed

if not is_installed("mmpose"):
    raise ModuleNotFoundError(
        "This part of swahr_mmpose needs MMPose. `swahr doctor` says what to install.",
        name="mmpose",
    )
