"""Images of drawn people with COCO annotations, for trying things out and for tests."""

from .annotations import annotate_person, crowd_annotation
from .body import PersonPose, random_pose
from .dataset import SyntheticOptions, generate_dataset, generate_image
from .scene import Scene, random_scene

__all__ = [
    "PersonPose",
    "Scene",
    "SyntheticOptions",
    "annotate_person",
    "crowd_annotation",
    "generate_dataset",
    "generate_image",
    "random_pose",
    "random_scene",
]
