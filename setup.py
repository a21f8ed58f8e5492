"""Packaging: the wheel carries configs, tools and metafiles in ``swahr_mmpose/.mim``."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
RESOURCES = ("configs", "tools", "model-index.yml")
# research: for those who have the repository
LEFT_OUT = ("__pycache__", "research", "dev", "benchmark.py")


class BuildWithResources(build_py):
    """Copies the resources into the built package, as OpenMMLab's packages do."""

    def run(self):
        """Build, then copy."""
        super().run()
        # a checkout has them beside the package; setuptools before 64 knows no such mode
        if getattr(self, "editable_mode", False):
            return
        target = Path(self.build_lib) / "swahr_mmpose" / ".mim"
        for name in RESOURCES:
            source = ROOT / name
            if source.is_dir():
                ignore = shutil.ignore_patterns(*LEFT_OUT)
                shutil.copytree(source, target / name, ignore=ignore, dirs_exist_ok=True)
            elif source.is_file():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name)


def version():
    """The version, read without importing the package."""
    namespace = {}
    exec((ROOT / "swahr_mmpose" / "version.py").read_text(), namespace)
    return namespace["__version__"]


def requirements(name):
    """The lines of ``requirements/<name>.txt``, less comments."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


setup(
    name="swahr_mmpose",
    version=version(),
    description="SWAHR and HigherHRNet bottom-up pose estimation for MMPose 1.x",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.8",
    packages=find_packages(include=["swahr_mmpose", "swahr_mmpose.*"]),
    # outside the package, whose import takes seconds
    py_modules=["swahr_command"],
    entry_points={"console_scripts": ["swahr = swahr_command:main"]},
    package_data={"swahr_mmpose": ["py.typed", "analysis/*.jinja", "weights/*.pth"]},
    install_requires=requirements("runtime"),
    extras_require={
        "mim": requirements("mminstall"),
        "dev": requirements("dev"),
        "docs": requirements("docs"),
        "onnx": requirements("onnx"),
        "export": requirements("export"),
        "ray": requirements("ray"),
        "demo": requirements("demo"),
        "timm": requirements("timm"),
        "tracking": requirements("tracking"),
    },
    cmdclass={"build_py": BuildWithResources},
)
