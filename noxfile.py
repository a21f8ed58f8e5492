"""Tests the installed package on several versions of Python, torch and NumPy, from wheels alone.

``pip install nox``, then ``nox -s py38``, ``nox`` for all, ``nox -r`` to keep what is installed.
The interpreters must be on PATH; compilers are taken off it, but for ``py311_full``, which builds
mmcv. Arguments after ``--`` go to pytest.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import nox

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "venv"
nox.options.stop_on_first_error = False

ROOT = Path(__file__).resolve().parent
OPENMMLAB = ("mmcv-lite==2.1.0", "mmengine==0.10.7", "mmdet==3.3.0", "mmpose==1.3.2")
FULL = ("mmcv==2.1.0", *OPENMMLAB[1:])
FORK = ("onedl-mmcv==2.3.6", "onedl-mmengine==0.10.12", "onedl-mmdetection==3.5.1", OPENMMLAB[-1])
OTHERS = ("openmim==0.3.9", "xtcocotools==1.14.3")
COMPILERS = re.compile(r"(.*-)?(cc|gcc|c\+\+|g\+\+|clang|clang\+\+|cl|nvcc)(-\d+)?(\.exe)?")


class Environment(NamedTuple):
    """What a session installs before this package."""

    python: str
    torch: str
    torchvision: str
    numpy: str
    openmmlab: tuple[str, ...] = OPENMMLAB


ENVIRONMENTS = {
    "py38_torch20": Environment("3.8", "2.0.1", "0.15.2", "1.24.4"),
    "py38": Environment("3.8", "2.1.2", "0.16.2", "1.24.4"),
    "py310": Environment("3.10", "2.1.2", "0.16.2", "1.26.4"),
    "py311": Environment("3.11", "2.11.0", "0.26.0", "1.26.4"),
    "py312": Environment("3.12", "2.11.0", "0.26.0", "2.5.5"),
    "py313": Environment("3.13", "2.14.1", "0.29.1", "2.5.5"),
    "py311_full": Environment("3.11", "2.11.0", "0.26.0", "1.26.4", FULL),
    "py311_fork": Environment("3.11", "2.11.0", "0.26.0", "1.26.4", FORK),
}


def path_without_compilers(session: nox.Session) -> str:
    """A PATH with the session's programs, and links to those of the machine but compilers."""
    links = Path(session.create_tmp()).resolve() / "bin"
    links.mkdir(exist_ok=True)
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in folder.iterdir() if folder.is_dir() else ():
            link = links / program.name
            if not (COMPILERS.fullmatch(program.name) or os.path.lexists(link)):
                link.symlink_to(program)
    return os.pathsep.join([session.bin, str(links)])


def install_mmpose(session: nox.Session, environment: Environment) -> None:
    """Install MMPose and what it imports, and say what that took."""
    pins = (
        *(f"{name}=={getattr(environment, name)}" for name in ("torch", "torchvision", "numpy")),
        "setuptools<80.9",  # later ones warn, and then lack pkg_resources, which MMEngine imports
        *environment.openmmlab,
        *OTHERS,
    )
    constraints = Path(session.create_tmp()).resolve() / "constraints.txt"
    constraints.write_text("\n".join(pins) + "\n")
    started, output = time.monotonic(), []

    def install(*arguments: str) -> None:
        command = ("python", "-m", "pip", "install", "--constraint", str(constraints), *arguments)
        output.append(session.run(*command, silent=True) or "")

    wheels = ("--only-binary", ":all:")
    install(*wheels, "--requirement", str(ROOT / "requirements/openmmlab_needs.txt"))
    packages = ("--no-deps", *environment.openmmlab, OTHERS[0])
    if environment.openmmlab == OPENMMLAB:
        install(*wheels, *packages)
    elif environment.openmmlab == FORK:
        install(*packages)  # pip builds them where there is no torch, and so without operators
    else:
        install("wheel", "ninja")
        session.env.update(MMCV_WITH_OPS="1", CUDA_VISIBLE_DEVICES="")  # else it looks for nvcc
        install("--no-build-isolation", "--no-cache-dir", *packages)
    site = session.run(
        "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", silent=True
    )
    tags = ("--python-version", "3.11", "--platform", "manylinux1_x86_64")
    install("--no-deps", *wheels, *tags, "--upgrade", "--target", str(site).strip(), OTHERS[1])
    install("pytest", "pytest-xdist", "hypothesis", "tensorboard")
    text = "".join(output)
    factors = dict(kB=1e-3, MB=1, GB=1e3)
    sizes = re.findall(r"(?:Downloading|Using cached) \S+ \(([\d.]+) ([kMG]B)\)", text)
    megabytes = sum(float(size) * factors[unit] for size, unit in sizes)
    built = ", ".join(re.findall(r"Building wheel for (\S+) .*started", text)) or "none"
    seconds = time.monotonic() - started
    session.log(f"{seconds:.0f} s, {megabytes:.0f} MB downloaded, built from source: {built}")


def test(session: nox.Session, environment: Environment) -> None:
    """Install MMPose, then this package, and run the fast tests against the installed one."""
    if environment.openmmlab != FULL and sys.platform != "win32":
        session.env["PATH"] = path_without_compilers(session)
    install_mmpose(session, environment)
    before = packages(session)
    session.run("python", "-m", "pip", "install", str(ROOT))
    changed = sorted(before ^ packages(session))
    if changed:
        session.error(f"pip install . changed the environment: {', '.join(changed)}")
    with session.chdir(session.create_tmp()):  # where the checkout's package is not found
        session.run("python", "-m", "swahr_mmpose")
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
