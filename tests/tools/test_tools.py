"""The command-line tools, as a user runs them."""

import json
import re
import subprocess
import sys

import pytest

from ..helpers import ROOT

#: Modules of tools, which are no programs.
MODULES = {"command_line.py", "webdemo_people.py"}
TOOLS = sorted({path.name for path in (ROOT / "tools").glob("*.py")} - MODULES)

DRAW = "make_synthetic_data.py"


@pytest.mark.parametrize("tool", [*TOOLS, "research/ablation", "research/decoding_study"])
def test_every_tool_explains_itself(run, tool):
    code, said, error = run(tool, "--help")
    assert code == 0, error
    assert "usage:" in said


def test_data_is_generated(run, tmp_path):
    code, _, error = run(DRAW, tmp_path, "--name", "part", "--num-images", 2)
    assert code == 0
    assert not error  # no bar where no one looks
    content = json.loads((tmp_path / "annotations" / "part.json").read_text())
    assert len(content["images"]) == len(list((tmp_path / "images" / "part").iterdir())) == 2


@pytest.mark.parametrize(
    ("tool", "options", "message"),
    [
        (DRAW, ["{0}/out", "--num-images", 0], "`num_images` must be at least 1"),
        (DRAW, ["{0}/out", "--seed", -1], "`seed` must be at least 0, but got -1."),
        (DRAW, ["{0}/out", "--label-noise", "nan"], "of at least 0, but got nan"),
        (DRAW, ["{0}/file"], "file"),
        ("browse_dataset.py", ["swahr_tiny_synthetic", "--num", 0], "--num must be at least 1"),
        ("benchmark.py", ["nothing"], "there is no row nothing"),
        ("demo.py", ["--iterations", 50], "must be over 50"),
        ("webdemo.py", ["--max-frames", 0], "--max-frames must be at least 1"),
    ],
)
def test_options_that_are_wrong_are_named(run, tmp_path, tool, options, message):
    (tmp_path / "file").touch()
    code, _, error = run(tool, *(str(option).format(tmp_path) for option in options))
    assert code == 2
    assert message in error.split("error: ")[1]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_benchmark_prints_and_writes_a_table(run, tmp_path):
    """Whether it runs; how fast things are is not tested."""
    out, plot = tmp_path / "table.md", tmp_path / "plot.png"
    rows = ("decode", "tag_loss", "heatmap_loss", "targets", "training", "profile")
    code, _, error = run("benchmark.py", *rows, "--repeats", 1, "--out", out, "--plot", plot)
    assert not code, error
    table = out.read_text()
    measured = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[3].endswith("×"):
            measured[cells[0]] = [float(cell.rstrip("×")) for cell in cells[1:4]]
    begin = ("decode", "tag loss", "heatmap and scale losses", "targets", "training step W32")
    assert all(any(name.startswith(start) for name in measured) for start in begin)
    for ours, other, ratio in measured.values():
        # the times are rounded to a hundredth of a millisecond, ratios to three digits, or to two
        # after the point
        rounding = 0.005 / ours + 0.005 / other + 0.005
        assert ratio == pytest.approx(other / ours, rel=rounding)
    assert "GPU: not measured" in table
    small, large = re.search(r"targets: ([\d,]+) instead of ([\d,]+)\.", table).groups()
    assert int(small.replace(",", "")) * 100 < int(large.replace(",", ""))


@pytest.mark.slow
def test_the_demo_shows_people_and_compares(tmp_path):
    """With few images and iterations: the network trained now finds no one."""
    few = ("--train-images", 16, "--val-images", 8, "--iterations", 52)
    command = [sys.executable, ROOT / "tools/demo.py", *map(str, few)]
    result = subprocess.run(command, text=True, capture_output=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = re.search(r"comes with the package found (\d+) people in 12 images", result.stdout)
    assert int(found.group(1)) > 12
    table = result.stdout[result.stdout.index("images that neither has seen") :]
    packaged, trained = map(float, re.search(r"AP50 +([\d.]+) +([\d.]+)", table).groups())
    assert packaged > 0.5 > trained
    for name in ("packaged", "trained"):
        assert len(list((tmp_path / "demo_output" / name).glob("*.jpg"))) == 12
