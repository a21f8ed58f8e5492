"""Installs mmcv with its CPU operators, built for the torch of this Python's environment.

mmcv 2.1 has no wheel for torch 2.2 and newer, and its build reads torch's headers anew in each of
77 files. Here 56 of them, which only pass calls on, are compiled as one, and GCC reads the headers
into a precompiled one first: on two cores that takes the build from a quarter of an hour to one or
two minutes. Where this fails, the plain build follows. mmcv's code stays as it is.

Needed in the environment: torch, ninja, wheel and setuptools<81. A wheel of mmcv that pip finds
(PIP_FIND_LINKS) is taken instead, if it works with this torch. No CUDA operator is built.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

from sources import PIP, BuildError, run, unpack_sources

VERSION = "2.1.0"
HEADER = "#include <torch/types.h>\n#include <vector>\n"
STANDARD = "-std=c++17"  # what mmcv's setup.py asks for with torch 1.13 and newer


def environment() -> dict[str, str]:
    """The environment variables of all commands: this environment's programs first, no CUDA."""
    variables = dict(os.environ)
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables["CUDA_VISIBLE_DEVICES"] = ""  # else mmcv looks for nvcc
    variables["MMCV_WITH_OPS"] = "1"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    variables.setdefault("MAX_JOBS", str(cores or 1))
    for name in ("FORCE_CUDA", "FORCE_MLU", "FORCE_MPS", "FORCE_NPU"):
        variables.pop(name, None)
    return variables


def check_tools() -> None:
    """Stop with what helps, where something that the build needs is missing."""
    for module, fix in (
        ("torch", "install torch first"),
        ("ninja", "pip install ninja"),
        ("wheel", "pip install wheel"),
        ("pkg_resources", 'pip install "setuptools<81"'),
    ):
        if importlib.util.find_spec(module) is None:
            raise BuildError(f"{sys.executable} has no {module}: {fix}")


def works() -> bool:
    """Whether the version of mmcv is installed, and its operators load with this torch."""
    try:
        if metadata.version("mmcv") != VERSION:
            return False
    except metadata.PackageNotFoundError:
        return False
    # the operators alone: all of mmcv needs OpenCV, which may lack its display libraries yet
    code = (
        "import importlib.util, sys, torch\n"
        "sys.path[:0] = importlib.util.find_spec('mmcv').submodule_search_locations\n"
        "import _ext\n"
    )
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == 0


def find_wheel(work: Path) -> Path | None:
    """The wheel that pip finds for this Python, if there is one."""
    command = [*PIP, "download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary", "mmcv"]
    subprocess.run(
        [*command, "--dest", str(work), f"mmcv=={VERSION}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return next(work.glob("mmcv-*.whl"), None)


def install(wheel: Path, arguments: argparse.Namespace) -> None:
    """Install a wheel, and what it requires."""
    # over an mmcv of this version that doesn't work; all else is left as it is
    command = [*PIP, "install", "--no-cache-dir", "--force-reinstall", "--no-deps", str(wheel)]
    run(f"Installing {wheel.name}", command)
    if not arguments.no_deps:
        constraint = ["--constraint", arguments.constraint] if arguments.constraint else []
        run("Installing what mmcv requires", [*PIP, "install", str(wheel), *constraint])


def unpack(work: Path) -> Path:
    """Download mmcv's sources, and make them ask for the C++ standard that torch needs."""
    sources = unpack_sources("mmcv", VERSION, work, environment())
    setup = sources / "setup.py"
    text = setup.read_text(encoding="utf-8")
    if f"'{STANDARD}'" not in text:
        raise BuildError(f"mmcv's setup.py has no '{STANDARD}': only mmcv 2.1 and 2.2 are known")
    setup.write_text(text.replace(f"'{STANDARD}'", f"'{standard()}'"), encoding="utf-8")
    return sources


def standard() -> str:
    """The C++ standard that torch's headers ask for: newer ones refuse C++17."""
    from torch.utils.cpp_extension import include_paths

    for folder in include_paths():
        header = Path(folder) / "ATen" / "ATen.h"
        if header.is_file() and "202002L" in header.read_text(encoding="utf-8"):
            return "-std=c++20"
    return STANDARD


def compiler() -> list[str]:
    """The C++ compiler that torch calls."""
    return [os.environ.get("CXX", "c++")]


def is_gcc() -> bool:
    """Whether the compiler is GCC (Clang says that it is one, too)."""
    command = [*compiler(), "-dM", "-E", "-x", "c++", os.devnull]
    try:
        macros = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8").stdout
    except FileNotFoundError:
        fix = "install GCC (Debian: apt install g++), or name a compiler in CXX"
        raise BuildError(f"no C++ compiler {compiler()[0]!r}: {fix}") from None
    return "__GNUC__" in macros and "__clang__" not in macros


def precompile(work: Path, flags: str) -> Path | None:
    """Precompile torch's headers with the flags of mmcv's build, and return the header.

    Returns:
        None where the compiler can't.
    """
    from torch.utils.cpp_extension import BuildExtension, include_paths

    header = work / "torch_pch.hpp"
    header.write_text(HEADER)
    compile_flags = [
        *shlex.split(os.environ.get("CPPFLAGS", "")),
        *shlex.split(flags),
        *shlex.split(sysconfig.get_config_var("CCSHARED") or ""),
        *(f"-I{path}" for path in [*include_paths(), sysconfig.get_path("include")]),
        standard(),
        "-DTORCH_API_INCLUDE_EXTENSION_H",
        "-DTORCH_EXTENSION_NAME=_ext",
    ]
    if hasattr(BuildExtension, "_add_gnu_cpp_abi_flag"):  # torch before 2.7 names its ABI
        import torch

        compile_flags.append(f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}")
    command = [*compiler(), *compile_flags, "-x", "c++-header", str(header)]
    try:
        run("Precompiling torch's headers", [*command, "-o", f"{header}.gch"])
    except BuildError as error:
        print(error, file=sys.stderr)
        return None
    return header


def join_sources(sources: Path) -> None:
    """Make one file of those that pass calls on to the operators of a device.

    Each file costs seconds for torch's headers, even precompiled, and next to nothing for itself.
    The files of the operators themselves (in ``cpu``) define the same names, so they stay apart,
    and so does ``pybind.cpp``, which takes longest: with its new name it is compiled
    first.
    """
    folder = sources / "mmcv" / "ops" / "csrc" / "pytorch"
    (folder / "pybind.cpp").rename(folder / "_pybind.cc")
    includes = []
    for path in sorted(folder.glob("*.cpp")):
        path.rename(path.with_suffix(".inc"))
        includes.append(f'#include "{path.stem}.inc"\n')
    (folder / "_pybind.cc").rename(folder / "_pybind.cpp")
    (folder / "joined.cpp").write_text("".join(includes))


def build(optimize: int, plain: bool, work: Path) -> Path:
    """Build mmcv's wheel, plainly if the fast way fails.

    Args:
        optimize: The compiler's level of optimisation.
        plain: Whether to leave out the fast way.
        work: A folder for the sources, the header and the objects.

    Returns:
        The wheel.
    """
    check_tools()
    gcc = is_gcc()
    # newer setuptools takes CFLAGS in place of Python's own flags, older adds them: this suits both
    python_flags = sysconfig.get_config_var("CFLAGS") or ""
    flags = f"{python_flags} {os.environ.get('CFLAGS', '')} -O{optimize} -g0"
    if not plain:
        sources = unpack(work / "fast")
        header = precompile(work, flags) if gcc else None
        if header is None:
            why = "it was refused" if gcc else f"{compiler()[0]} is not GCC"
            print(f"No precompiled header ({why}): the build takes several times as long")
        included = f" -Winvalid-pch -include {header}" if header else ""
        join_sources(sources)
        try:
            return compile_wheel(sources, flags + included)
        except BuildError as error:
            print(f"{error}\nThe fast build failed (above): trying the plain one, which takes long")
    try:
        return compile_wheel(unpack(work / "plain"), flags)
    except BuildError as error:
        fix = "see the compiler's message above; a full disk and too little memory are common"
        raise BuildError(f"{error}\n{fix}") from None


def compile_wheel(sources: Path, flags: str) -> Path:
    """Build the wheel from unpacked sources, with these flags for the compiler."""
    command = [sys.executable, "setup.py", "bdist_wheel", "--dist-dir", "dist"]
    variables = {**environment(), "CFLAGS": flags}
    output = run("Building mmcv (a few minutes)", command, env=variables, cwd=sources)
    refusal = re.search(r".*\[-Winvalid-pch\].*", output)
    if refusal:
        print(f"The precompiled header was refused, which took time only:\n{refusal.group()}")
    return next((sources / "dist").glob("mmcv-*.whl"))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-c", "--constraint", help="pip's constraints for what mmcv requires")
    parser.add_argument("--no-deps", action="store_true", help="don't install what mmcv requires")
    parser.add_argument(
        "--output", type=Path, help="a folder to leave the wheel in; nothing is installed then"
    )
    parser.add_argument(
        "--optimize",
        type=int,
        choices=range(4),
        default=0,
        help="the compiler's level; 0 builds fastest, 3 runs fastest (default: %(default)s)",
    )
    parser.add_argument(
        "--build", action="store_true", help="build even where pip finds a wheel of mmcv"
    )
    parser.add_argument(
        "--plain", action="store_true", help="build file by file, without a precompiled header"
    )
    arguments = parser.parse_args()
    try:
        provide(arguments)
    except BuildError as error:
        print(f"build_mmcv: {error}", file=sys.stderr)
        return 1
    return 0


def provide(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    if not (arguments.output or arguments.build) and works():
        print(f"mmcv {VERSION} is there, and works with this torch")
        return
    # the header alone takes hundreds of megabytes; all of it goes with the folder
    with tempfile.TemporaryDirectory(prefix="build_mmcv-") as folder:
        work = Path(folder)
        wheel = None if arguments.build else find_wheel(work)
        if wheel is not None and not arguments.output:
            install(wheel, arguments)
            if works():
                return
            print(f"{wheel.name} does not work with this torch: building another")
            wheel = None
        wheel = wheel or build(arguments.optimize, arguments.plain, work)
        if arguments.output:
            arguments.output.mkdir(parents=True, exist_ok=True)
            print(shutil.copy2(wheel, arguments.output))
            return
        install(wheel, arguments)
    if not works():
        raise BuildError("mmcv is built, but its operators don't load: try again with --plain")


if __name__ == "__main__":
    sys.exit(main())
