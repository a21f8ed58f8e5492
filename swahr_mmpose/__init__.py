"""SWAHR and HigherHRNet for MMPose 1.x; importing this registers everything.

In a config: ``custom_imports = dict(imports=['swahr_mmpose'], allow_failed_imports=False)``.

Where MMPose is not installed nothing is registered, and :mod:`swahr_mmpose.decoding` can be used
alone.
"""

from .utils.compiled_modules import stand_in_for_compiled_modules
from .utils.config_files import config_path, configs_dir, tools_dir
from .utils.environment import check_openmmlab, is_installed
from .version import __version__

__all__ = ["__version__", "config_path", "configs_dir", "tools_dir"]

if is_installed("mmpose"):
    try:
        check_openmmlab()
        stand_in_for_compiled_modules()

        from . import apis, codecs, datasets, engine, evaluation, models, visualization
        from .checkpoints.mmengine_loaders import read_safely_in_mmengine
        from .checkpoints.reading import allow_mmengine_checkpoints
    except Exception as error:  # whatever a broken installation raises
        raise ImportError(
            f"swahr_mmpose does not work with what is installed: {error}\n"
            "Run `swahr doctor`, which says what is wrong and how to fix it."
        ) from error

    allow_mmengine_checkpoints()
    read_safely_in_mmengine()

    __all__ += ["apis", "codecs", "datasets", "engine", "evaluation", "models", "visualization"]
