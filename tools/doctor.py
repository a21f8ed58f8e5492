"""Check the installation: what is installed, what does not work, and how to fix it."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator

import command_line

from swahr_mmpose.utils.environment import STACK, installed_version, is_installed, problem_with
from swahr_mmpose.version import __version__

_GPU = """
import torch
there = torch.cuda.is_available()
name = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}" if there else None
print("NOTE GPU:", name or "none that torch can use: everything runs on the CPU")
"""

_OPERATORS = """
from importlib.util import find_spec
if find_spec("mmcv._ext"):
    from mmcv.ops import nms
else:
    print("NOTE mmcv has no compiled operators; this package needs none.")
"""

#: What may fail although the versions are right: name, program, fix.
_TRIALS = (
    ("torch", _GPU, "Install torch again."),
    ("torchvision's operators", "import torchvision; torchvision.ops.nms",
     "Install torch and torchvision together, in versions that belong together."),
    ("mmcv's operators", _OPERATORS,
     "mmcv was built for another torch. Run: pip install --no-cache-dir --force-reinstall mmcv"),
    ("MMPose's models", "import swahr_mmpose, mmpose.models",
     "Read the message, and install what it misses."),
)  # fmt: skip

#: Runs the trials in a process of their own, which a compiled module may crash.
_PROGRAM = f"""
import sys
for name, code, _ in {_TRIALS}:
    try:
        exec(code, {{}})
    except Exception as error:
        sys.exit(f"FAILED {{type(error).__name__}}: {{error.__cause__ or error}}")
    print("DONE", name, flush=True)
"""

#: What needs neither torch nor MMPose.
_ALONE = "import cv2, onnxruntime, swahr_mmpose.runtime, swahr_mmpose.visualization"


def packages() -> Iterator[tuple[str, str, str | None]]:
    """Name, version and problem of each package of the stack."""
    for name in STACK:
        try:
            found = installed_version(name) if is_installed(name) else "not installed"
            yield name, found, problem_with(name)
        except Exception as error:  # whatever a broken package raises
            yield name, "broken", f"{name} can't be imported: {error}"


def trials(output: str, errors: str, code: int) -> Iterator[tuple[str, str | None]]:
    """Name and problem of what has to work, up to the first that does not."""
    for name, _, fix in _TRIALS:
        if f"DONE {name}\n" in output:
            yield name, None
            continue
        reason = f"crashed by signal {-code}: {errors}" if code < 0 else errors
        yield name, f"{name}: {reason.rpartition('FAILED ')[2].strip()}\n    {fix}"
        return


def problem_alone() -> str | None:
    """What is wrong in an installation without torch and MMPose; None if people can be found."""
    problems = [problem_with(name) for name in ("numpy", "scipy", "cv2")]
    ended = subprocess.run([sys.executable, "-c", _ALONE], text=True, capture_output=True)
    if ended.returncode:
        reason = ended.stderr.strip().rpartition("\n")[2]
        problems.append(f"{reason}\n    Run: pip install 'swahr_mmpose[onnx]'")
    return next(filter(None, problems), None)


def report_alone(problems: list[str]) -> int:
    """Print what is ready without torch and MMPose, and what the rest needs."""
    what = "people from exported files (swahr_mmpose.runtime), drawing (swahr_mmpose.visualization)"
    problem = problem_alone()
    if problem:
        print(f"\nNot ready: {what}:\n  {problem}")
    else:
        print(f"\nReady, without torch and MMPose: {what}.")
    print("\nNot ready: all else, which needs MMPose:", *problems, sep="\n  ")
    return 1 if problem else 0


def main(argv: list[str] | None = None) -> int:
    """Print the report; 1 if something does not work, 0 where only MMPose is not there."""
    command_line.parser(__doc__).parse_args(argv)
    print(
        f"swahr_mmpose {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    )
    problems = []
    alone = not (is_installed("torch") or is_installed("mmpose"))
    for name, found, problem in packages():
        mark = "ok" if problem is None else "--" if alone and found == "not installed" else "!!"
        print(f"  {mark:<4}{name:<14}{found}")
        problems += [problem] if problem else []
    if not problems:
        ended = subprocess.run([sys.executable, "-c", _PROGRAM], text=True, capture_output=True)
        for name, problem in trials(ended.stdout, ended.stderr, ended.returncode):
            print(f"  {'ok' if problem is None else '!!':<4}{name}")
            problems += [problem] if problem else []
        print("", *re.findall(r"^NOTE (.*)", ended.stdout, re.M), sep="\n")
    if is_installed("yaml"):
        from list_models import table

        print("", *table(), sep="\n")
    if alone:
        return report_alone(problems)
    if problems:
        print("\nThis will not work yet:", *problems, sep="\n  ")
        return 1
    print("\nEverything works.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
