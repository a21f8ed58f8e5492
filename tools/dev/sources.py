"""Unpacks a package's source distribution, and fixes its setup.py where Python 3.13 needs that.

The setup.py of mmcv and of xtcocotools reads the version from locals() after an exec. Since Python
3.13 what is exec'd in a function no longer shows there, and pip stops with KeyError: '__version__'.
``pip install --no-build-isolation FOLDER`` installs what is printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
FIXES = (
    ("exec(compile(f.read(), version_file, 'exec'))", "exec(f.read(), globals())"),
    ("return locals()[", "return globals()["),
)


class BuildError(RuntimeError):
    """A package can't be built; the message says what helps."""


def run(
    label: str, command: list[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Say what a command does, and run it; its output.

    Raises:
        BuildError: If it fails, with the end of its output.
    """
    print(label, flush=True)
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        encoding="utf-8",
        errors="replace",
    )
    if ended.returncode:
        tail = "\n".join(ended.stdout.splitlines()[-40:])
        raise BuildError(f"{tail}\n{label}: failed with code {ended.returncode}")
    return ended.stdout


def unpack_sources(name: str, version: str, work: Path, env: Mapping[str, str]) -> Path:
    """Download a source distribution, and return the folder where it is unpacked.

    pip unpacks what it downloads and asks its setup.py for the version. On Python 3.13 that fails,
    so the unpacked folder is taken, which pip leaves where it was.

    Args:
        name: The package.
        version: Its version.
        work: A folder to unpack in, which is made.
        env: The environment variables of pip.

    Returns:
        The folder with setup.py.
    """
    work.mkdir(parents=True)
    command = [*PIP, "download", "--no-clean", "--no-cache-dir", "--no-deps", "--no-binary", name]
    command += ["--no-build-isolation", "--dest", str(work), f"{name}=={version}"]
    failure = "pip left no sources"
    try:
        run(f"Downloading {name} {version}", command, env={**env, "TMPDIR": str(work.resolve())})
    except BuildError as error:
        failure = str(error)
    for setup in work.resolve().glob(f"pip-*/{name}_*/setup.py"):
        text = setup.read_text(encoding="utf-8")
        for old, new in FIXES:
            text = text.replace(old, new)
        setup.write_text(text, encoding="utf-8")
        return setup.parent
    fix = "check the network, and that there is such a version"
    raise BuildError(f"{failure}\n{name} {version} can't be downloaded: {fix}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", help="its name and version, as xtcocotools==1.14.3")
    parser.add_argument("folder", type=Path, help="a new folder to unpack in")
    arguments = parser.parse_args()
    name, separator, version = arguments.package.partition("==")
    if not separator:
        parser.error("the package needs a version: NAME==VERSION")
    if arguments.folder.exists():
        parser.error(f"{arguments.folder} exists: name a new folder")
    try:
        print(unpack_sources(name, version, arguments.folder, os.environ))
    except BuildError as error:
        print(f"sources: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
