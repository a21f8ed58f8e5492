"""Tests the installed package on several versions of Python, torch and NumPy.

``pip install nox``, then ``nox -s py38``, ``nox`` for all, ``nox -r`` to keep what is installed.
The interpreters must be on PATH. A wheel of mmcv is taken where PIP_FIND_LINKS has one that works,
and built otherwise. Arguments after ``--`` go to pytest. ``SWAHR_NOX_TESTS=0`` stops after MMPose,
before this package is installed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import nox

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "venv"
nox.options.stop_on_first_error = False

ROOT = Path(__file__).resolve().parent
OPENMMLAB = ("mmcv==2.1.0", "mmengine==0.10.7", "mmdet==3.3.0", "mmpose==1.3.2", "openmim==0.3.9")
XTCOCOTOOLS = "xtcocotools==1.14.3"
IMPORTS = "import mmpose, mmdet; from mmcv.ops import nms; import mmpose.models"


class Environment(NamedTuple):
    """What a session installs before this package."""

    python: str
    torch: str
    torchvision: str
    numpy: str
    setuptools: str = "setuptools>=69,<81"  # pkg_resources, which MMEngine imports, is in these
    cython: str = "Cython"


ENVIRONMENTS = {
    "py38_torch20": Environment("3.8", "2.0.1", "0.15.2", "1.24.4", "setuptools<70", "Cython<3.1"),
    "py38": Environment("3.8", "2.1.2", "0.16.2", "1.24.4", "setuptools<70", "Cython<3.1"),
    "py310": Environment("3.10", "2.1.2", "0.16.2", "1.26.4", "setuptools<81", "Cython<3.1"),
    "py311": Environment("3.11", "2.11.0", "0.26.0", "1.26.4", "setuptools<81"),
    "py312": Environment("3.12", "2.11.0", "0.26.0", "2.5.5"),
    "py313": Environment("3.13", "2.15.0", "0.29.2", "2.5.5"),
}


def install_mmpose(session: nox.Session, environment: Environment) -> None:
    """Install MMPose and all that it needs, with the environment's torch and NumPy."""
    # versions that nothing below may change
    pins = [
        f"torch=={environment.torch}",
        f"torchvision=={environment.torchvision}",
        f"numpy=={environment.numpy}",
        environment.setuptools,
        environment.cython,
        *OPENMMLAB,
    ]
    constraints = Path(session.create_tmp()).resolve() / "constraints.txt"
    constraints.write_text("\n".join(pins) + "\n")

    def install(*arguments: str) -> None:
        pip = ("python", "-m", "pip", "install", "--quiet", "--constraint", str(constraints))
        session.run(*pip, *arguments)

    install(*pins[:5], "wheel", "ninja")
    session.run("python", str(ROOT / "tools/dev/build_mmcv.py"), "--constraint", str(constraints))
    if environment.python == "3.13":
        folder = Path(session.create_tmp()).resolve() / "xtcocotools"
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", str(ROOT / "tools/dev/sources.py"), XTCOCOTOOLS, str(folder))
        unpacked = next(folder.glob("pip-*/xtcocotools_*"))
        install("--no-build-isolation", str(unpacked))
    # chumpy and xtcocotools build with what is installed
    install("--no-build-isolation", *OPENMMLAB, "chumpy", XTCOCOTOOLS)
    install("pytest", "pytest-xdist", "hypothesis", "tensorboard")
    # the same OpenCV without windows, which needs no display libraries
    version = "import importlib.metadata as m; print(m.version('opencv-python'))"
    opencv = session.run("python", "-c", version, silent=True, log=False) or ""
    headless = f"opencv-python-headless=={opencv.strip()}"
    install("--force-reinstall", "--no-deps", headless)
    session.run("python", "-c", IMPORTS)


def test(session: nox.Session, environment: Environment) -> None:
    """Install MMPose, then this package, and run the fast tests against the installed one."""
    install_mmpose(session, environment)
    if os.environ.get("SWAHR_NOX_TESTS") == "0":
        session.skip("MMPose works; this package is not installed (SWAHR_NOX_TESTS=0)")
    before = packages(session)
    session.run("python", "-m", "pip", "install", str(ROOT))
    changed = sorted(before ^ packages(session))
    if changed:
        session.error(f"pip install . changed the environment: {', '.join(changed)}")
    with session.chdir(session.create_tmp()):  # where the checkout's package is not found
        session.run("python", "-c", "import swahr_mmpose; print(swahr_mmpose.__file__)")
    # pytest leaves the path alone in this mode, so that the tests import the installed package
    tests = session.posargs or ["tests"]
    # warnings are errors in `make test` only: other versions have others
    options = ("--import-mode=importlib", "-W", "default", "-m", "not slow", "--numprocesses", "2")
    session.run("pytest", *options, *tests)


def packages(session: nox.Session) -> set[str]:
    """The installed packages with their versions, less this one."""
    output = session.run("python", "-m", "pip", "freeze", silent=True, log=False) or ""
    lines = {line for line in output.splitlines() if "==" in line}
    return {line for line in lines if not line.startswith("swahr")}


for _name, _environment in ENVIRONMENTS.items():

    @nox.session(name=_name, python=_environment.python)
    def _session(session: nox.Session, environment: Environment = _environment) -> None:
        """Run the fast tests in this environment."""
        test(session, environment)
