"""Images of drawn people with COCO annotations, for trying things out and for tests."""

from .dataset import SyntheticOptions, generate_dataset, generate_image

__all__ = ["SyntheticOptions", "generate_dataset", "generate_image"]
