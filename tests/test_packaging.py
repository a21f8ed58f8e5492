"""The wheel carries configs, tools and metafiles, and an installed package finds them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from .checkpoints.test_reading import server  # noqa: F401  (a fixture)
from .helpers import CONFIGS, ROOT

pytestmark = pytest.mark.slow

USE = """
import json, swahr_mmpose
from mmengine.config import Config
path = swahr_mmpose.config_path("swahr_hrnet_w48_crowdpose_multiscale")
config = Config.fromfile(path)
print(json.dumps([str(path), config.model.head.type, str(swahr_mmpose.tools_dir())]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel's content."""
    folder = tmp_path_factory.mktemp("wheel")
    # a copy: a build folder of the checkout might hold files that are there no more
    source = folder / "source"
    for name in ("swahr_mmpose", "configs", "tools", "requirements"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    files = ["swahr_command.py", "setup.py", "pyproject.toml", "README.md", "MANIFEST.in"]
    for name in [*files, "model-index.yml"]:
        shutil.copy(ROOT / name, source)
    # with the environment's own setuptools, which is older than those that pip would fetch
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    target = folder / "site"
    subprocess.run([*command, "--no-build-isolation", "--target", target, source], check=True)
    return target


def run(target, *command):
    environment = dict(os.environ, PYTHONPATH=str(target))
    return subprocess.run(
        command, cwd=target, env=environment, text=True, capture_output=True, check=True
    ).stdout


def test_every_config_and_tool_is_in_the_wheel(installed):
    resources = installed / "swahr_mmpose" / ".mim"
    for name in ("configs", "tools"):
        expected = {path.relative_to(ROOT) for path in (ROOT / name).rglob("*.py")}
        # research stays in the repository
        research = {"research", "dev", "benchmark.py"}
        expected = {path for path in expected if not research & set(path.parts)}
        packed = {path.relative_to(resources) for path in (resources / name).rglob("*.py")}
        assert packed == expected
    assert (resources / "model-index.yml").is_file()
    assert (installed / "swahr_mmpose" / "py.typed").is_file()


def test_an_installed_package_finds_its_configs(installed):
    path, head, tools = json.loads(run(installed, sys.executable, "-c", USE).splitlines()[-1])
    assert installed in Path(path).parents
    assert installed in Path(tools).parents
    assert head == "SWAHRHead"


def test_the_command_runs_what_was_installed(installed):
    swahr = installed / "bin" / "swahr"
    assert run(installed, swahr, "check", "--help").startswith("usage: swahr check ")
    assert "in the package" in run(installed, swahr, "models")
    assert "in the package" in run(installed, sys.executable, "-m", "swahr_mmpose", "models")


def test_the_command_ends_as_mim_does(installed, tmp_path):
    swahr = installed / "bin" / "swahr"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        # its data is not there
        run(installed, swahr, "train", "swahr_tiny_synthetic", "--work-dir", tmp_path)
    assert failed.value.returncode == 1
    assert "FileNotFoundError" in failed.value.stderr


def test_mim_search_lists_the_models(installed):
    mim = Path(sys.executable).with_name("mim")
    output = run(installed, mim, "search", "swahr_mmpose", "--valid-config")
    names = {path.stem for path in CONFIGS.glob("*hrnet*.py")}
    assert all(f"'{name}'" in output for name in names)


def test_mim_downloads_weights_and_config(installed, server, tmp_path):  # noqa: F811
    """From the address in the metafile, here one of this machine."""
    folder, address = server
    name = "higherhrnet_w32_coco"
    (folder / "weights.pth").write_bytes(b"weights")
    metafile = installed / "swahr_mmpose" / ".mim" / "configs" / "metafiles" / "higherhrnet.yml"
    published = metafile.read_text()
    content = yaml.safe_load(published)
    for entry in content["Models"]:
        if entry["Name"] == name:
            entry["Weights"] = f"{address}/weights.pth"
    metafile.write_text(yaml.safe_dump(content))
    mim = Path(sys.executable).with_name("mim")
    try:
        run(installed, mim, "download", "swahr_mmpose", "--config", name, "--dest", tmp_path / "to")
    finally:
        metafile.write_text(published)
    assert (tmp_path / "to" / "weights.pth").read_bytes() == b"weights"
    assert Config.fromfile(tmp_path / "to" / f"{name}.py").model.head.type == "HigherHRNetHead"


def test_installing_changes_nothing_else():
    """By a dry run of pip against what is installed here: it would install this package only."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-build-isolation"]
    result = subprocess.run([*command, str(ROOT)], text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    (would,) = (line for line in result.stdout.splitlines() if line.startswith("Would install"))
    (package,) = would.split()[2:]
    assert package.replace("-", "_").startswith("swahr_mmpose_")
