"""Drawing of people and maps, without MMPose; ``BottomupVisualizer`` needs it."""

from __future__ import annotations

from typing import Any

from .overlays import draw_heatmap, draw_map, draw_scale_map, draw_tag_map, image_to_map
from .people_drawing import draw_people

__all__ = [
    "BottomupVisualizer",
    "draw_heatmap",
    "draw_map",
    "draw_people",
    "draw_scale_map",
    "draw_tag_map",
    "image_to_map",
]


def __getattr__(name: str) -> Any:
    if name != "BottomupVisualizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .bottomup_visualizer import BottomupVisualizer

    return BottomupVisualizer
