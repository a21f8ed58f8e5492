"""SWAHR and HigherHRNet for MMPose 1.x; importing this registers everything.

In a config: ``custom_imports = dict(imports=['swahr_mmpose'], allow_failed_imports=False)``.

Where MMPose is not installed nothing is registered, and :mod:`swahr_mmpose.decoding` can be used
alone.
"""

import os
from importlib.util import find_spec

from .paths import config_path, configs_dir, tools_dir
from .version import __version__

__all__ = ["__version__", "config_path", "configs_dir", "tools_dir"]

# OpenMP's threads spin while they wait for one another. On a machine that others use too, a picture
# then takes many times as long. torch reads this when it is loaded; so do processes started here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # kept from being imported
        return False


if _is_installed("mmpose"):
    from . import apis, codecs, datasets, engine, evaluation, models, visualization
    from .checkpoints import allow_mmengine_checkpoints

    allow_mmengine_checkpoints()

    __all__ += ["apis", "codecs", "datasets", "engine", "evaluation", "models", "visualization"]
