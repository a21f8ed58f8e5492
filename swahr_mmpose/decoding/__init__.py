"""Aggregated maps to people, in NumPy and SciPy: imports neither torch nor MMPose."""

from .candidates import Candidates, find_candidates
from .finite_maps import NotFiniteError
from .grouping import group_candidates
from .matching import GROUPINGS
from .options import APPLICATION_OPTIONS, DecodeOptions, default_keypoint_order
from .people import (
    People,
    boxes_of_keypoints,
    decode_people,
    finish_people,
    group_people,
    read_people,
)
from .widths import keypoint_widths
from .window import image_window

__all__ = [
    "APPLICATION_OPTIONS",
    "GROUPINGS",
    "Candidates",
    "DecodeOptions",
    "NotFiniteError",
    "People",
    "boxes_of_keypoints",
    "decode_people",
    "default_keypoint_order",
    "find_candidates",
    "finish_people",
    "group_candidates",
    "group_people",
    "image_window",
    "keypoint_widths",
    "read_people",
]
