"""Seconds or a minute of each fuzzer; docs/reliability.md says how to run them for longer."""

import re
import subprocess
import sys

import pytest

from ..helpers import ROOT

pytest.importorskip("atheris")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["annotations", "converter", "decoder"])
def test_nothing_but_declared_errors(name, seconds, tmp_path):
    options = [f"-max_total_time={seconds}", f"-seed={seconds}", f"-artifact_prefix={tmp_path}/"]
    command = [sys.executable, "-m", f"tests.fuzz.fuzz_{name}", *options]
    result = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    cases = int(re.search(r"Done (\d+) runs", result.stderr).group(1))
    print(f"{name}: {cases} cases")
    assert cases > 25 * seconds
