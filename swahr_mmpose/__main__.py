"""``python -m swahr_mmpose``: will it work here, and which models are there?"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from typing import Any

from .utils.environment import OPENMMLAB, Requirement, installed_version, is_installed, problem_with
from .version import __version__

#: What else the stack stands on.
_BASE = (
    Requirement("torch", "2.0", None, "pip install torch torchvision"),
    Requirement("torchvision", "0.15", None, "pip install torch torchvision"),
    Requirement("numpy", "1.24", None, "pip install 'numpy>=1.24'"),
    Requirement("scipy", "1.4", None, "pip install scipy"),
    Requirement("cv2", "4.0", None, "pip install opencv-python"),
    Requirement("pycocotools", "2.0", None, "pip install pycocotools"),
    Requirement("xtcocotools", "1.12", None, "pip install --no-build-isolation xtcocotools"),
)

#: What fails although the versions are right: packages built for others.
_TRIALS = (
    ("torchvision's operators", "import torchvision; torchvision.ops.nms",
     "Install torch and torchvision together, in versions that belong together."),
    ("mmcv's operators", "from mmcv.ops import nms",
     "mmcv was built for another torch. Run: pip install --no-cache-dir --force-reinstall mmcv"),
    ("MMPose's models", "import mmpose.models", "Read the message, and install what it misses."),
    ("this package", "import swahr_mmpose.models", "Read the message, and install what it misses."),
)  # fmt: skip


def packages() -> Iterator[tuple[str, str, str | None]]:
    """Name, version and problem of each package of the stack."""
    for requirement in (*_BASE, *OPENMMLAB):
        name = requirement.module
        found = installed_version(name) if is_installed(name) else "not installed"
        yield name, found, problem_with(requirement)


def trials() -> Iterator[tuple[str, str | None]]:
    """Name and problem of what has to work once everything is installed."""
    for name, statement, fix in _TRIALS:
        try:
            exec(statement, {})
        except Exception as error:  # whatever a broken installation raises
            yield name, f"{type(error).__name__}: {error}\n    {fix}"
            return
        yield name, None


def device() -> str:
    """The GPU, or that there is none."""
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use: everything runs on the CPU"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


def weights() -> Iterator[tuple[str, str, str, str]]:
    """Name, weights, AP and the AP's dataset of each config that the metafiles list."""
    from .checkpoints.model_zoo import models, packaged_weights

    for name, model in models().items():
        where = "published" if model.get("Weights") else "–"
        yield name, "in the package" if packaged_weights(name) else where, *_ap(model)


def _ap(model: dict[str, Any]) -> tuple[str, str]:
    """The AP in per cent, and on what and by whom it was measured."""
    for result in model.get("Results", ()):
        where = f"{result['Dataset']}, {model['Metadata']['Results From']}"
        return f"{100 * result['Metrics']['AP']:.1f}", where
    return "–", ""


def main() -> int:
    """Print the report; 0 if everything works."""
    print(
        f"swahr_mmpose {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    )
    problems = []
    for name, found, problem in packages():
        print(f"  {'ok' if problem is None else '!!':<4}{name:<14}{found}")
        problems += [problem] if problem else []
    if not problems:
        for name, problem in trials():
            print(f"  {'ok' if problem is None else '!!':<4}{name}")
            problems += [f"{name}: {problem}"] if problem else []
    if is_installed("torch"):
        print(f"\nGPU: {device()}")
    if is_installed("yaml"):
        print(f"\n{'config':<40}{'weights':<16}{'AP':<6}measured on, by")
        for name, where, ap, measured in weights():
            print(f"{name:<40}{where:<16}{ap:<6}{measured}".rstrip())
    if problems:
        print("\nThis will not work yet:")
        for problem in problems:
            print(f"  {problem}")
        return 1
    print("\nEverything works.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
