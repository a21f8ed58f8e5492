"""SWAHR and HigherHRNet for MMPose 1.x; importing this registers everything.

In a config: ``custom_imports = dict(imports=['swahr_mmpose'], allow_failed_imports=False)``.
"""

from . import apis, codecs, datasets, engine, evaluation, models, visualization
from .checkpoints import allow_mmengine_checkpoints
from .paths import config_path, configs_dir, tools_dir
from .version import __version__

allow_mmengine_checkpoints()

__all__ = [
    "__version__",
    "apis",
    "codecs",
    "config_path",
    "configs_dir",
    "datasets",
    "engine",
    "evaluation",
    "models",
    "tools_dir",
    "visualization",
]
