"""The commands for a machine with a GPU; a rehearsal takes minutes, and is not repeated here."""

import os
import subprocess
import sys

import pytest

from ...helpers import ROOT


def run(tool, *args, **variables):
    environment = dict(os.environ, PYTHON=sys.executable, **variables)
    command = [ROOT / "tools" / "research" / tool, *map(str, args)]
    return subprocess.run(command, text=True, capture_output=True, cwd=ROOT, env=environment)


@pytest.mark.parametrize("tool", ["gpu_check.sh", "gpu_wheels.sh"])
def test_they_explain_themselves(tool):
    result = run(tool, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: tools/research/{tool}")
    for wrong in ([], ["--nothing"]):
        result = run(tool, *wrong)
        assert result.returncode == 2
        assert "usage:" in result.stderr


def test_a_folder_that_is_not_there_is_named(tmp_path):
    result = run("gpu_check.sh", tmp_path / "wheels")
    assert result.returncode == 1
    assert f"error: there is no folder {tmp_path / 'wheels'}" in result.stderr


@pytest.mark.slow
def test_without_a_gpu_it_says_how_to_rehearse(tmp_path):
    result = run("gpu_check.sh", tmp_path, tmp_path / "out", CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 1
    assert "torch finds no GPU here; --rehearse runs everything on the CPU" in result.stdout


@pytest.mark.slow
def test_a_wheel_that_can_not_be_had_is_named(tmp_path):
    """Without an index."""
    result = run("gpu_wheels.sh", tmp_path / "out", PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null")
    assert result.returncode == 1
    assert "error: no wheel of mmcv-lite==2.1.0 for Python 3.12 was found" in result.stderr
