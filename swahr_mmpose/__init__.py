"""SWAHR and HigherHRNet for MMPose 1.x; importing this registers everything.

In a config: ``custom_imports = dict(imports=['swahr_mmpose'], allow_failed_imports=False)``.

Where MMPose is not installed nothing is registered, and :mod:`swahr_mmpose.decoding` can be used
alone.
"""

import os
import sys

from .utils.config_files import config_path, configs_dir, tools_dir
from .utils.environment import check_openmmlab, is_installed
from .version import __version__

__all__ = ["__version__", "config_path", "configs_dir", "tools_dir"]

# OpenMP's threads spin while they wait for one another. On a machine that others use too, an image
# then takes many times as long. torch reads this when it is loaded; so do processes started here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


# `python -m swahr_mmpose` says what is wrong with an installation: it must get past this. Before
# Python 3.10 it can't be told from `python -m` of a program that imports this package.
_is_report = getattr(sys, "argv", [])[:1] == ["-m"] and any(
    argument == "swahr_mmpose" or argument.endswith("mswahr_mmpose")
    for argument in getattr(sys, "orig_argv", ["swahr_mmpose"])
)

if is_installed("mmpose"):
    try:
        check_openmmlab()

        from . import apis, codecs, datasets, engine, evaluation, models, visualization
        from .checkpoints.mmengine_loaders import read_safely_in_mmengine
        from .checkpoints.reading import allow_mmengine_checkpoints

        allow_mmengine_checkpoints()
        read_safely_in_mmengine()
    except Exception:  # whatever a broken installation raises
        if not _is_report:
            raise

    __all__ += ["apis", "codecs", "datasets", "engine", "evaluation", "models", "visualization"]
