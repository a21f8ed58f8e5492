"""The command-line tools, as a user runs them."""

import json
import re
import runpy
import subprocess
import sys

import pytest

from ..helpers import ROOT

#: Modules of tools, which are no programs.
MODULES = {"webdemo_people.py"}
TOOLS = sorted({path.name for path in (ROOT / "tools").glob("*.py")} - MODULES)


def run(tool, *args, cwd=None):
    command = [sys.executable, ROOT / "tools" / tool, *map(str, args)]
    return subprocess.run(command, text=True, capture_output=True, cwd=cwd)


@pytest.mark.slow
@pytest.mark.parametrize("tool", [*TOOLS, "research/ablation", "research/decoding_study"])
def test_every_tool_explains_itself(tool):
    result = run(tool, "--help")
    assert result.returncode == 0, result.stderr
    assert "usage:" in result.stdout


@pytest.mark.slow
def test_data_is_generated(tmp_path):
    result = run("make_synthetic_data.py", tmp_path, "--name", "part", "--num-images", 2)
    assert result.returncode == 0, result.stderr
    content = json.loads((tmp_path / "annotations" / "part.json").read_text())
    assert len(content["images"]) == len(list((tmp_path / "images" / "part").iterdir())) == 2


@pytest.mark.slow
def test_wrong_options_are_reported(tmp_path):
    result = run("make_synthetic_data.py", tmp_path, "--num-images", 0)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: `num_images` must be at least 1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "`seed` must be at least 0, but got -1."),
        (
            ["--label-noise", "nan"],
            "`label_noise` must be a finite number of at least 0, but got nan",
        ),
        (
            ["--label-noise", "inf"],
            "`label_noise` must be a finite number of at least 0, but got inf",
        ),
        (
            ["--label-noise", "-1"],
            "`label_noise` must be a finite number of at least 0, but got -1",
        ),
    ],
)
def test_drawn_data_can_not_have_any_options(tmp_path, options, message):
    out = tmp_path / "out"
    main = runpy.run_path(str(ROOT / "tools" / "make_synthetic_data.py"))["main"]
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        main([str(out), "--num-images", "1", *options])
    assert not out.exists()


def test_drawn_data_needs_a_folder(tmp_path):
    (tmp_path / "file").touch()
    main = runpy.run_path(str(ROOT / "tools" / "make_synthetic_data.py"))["main"]
    with pytest.raises(SystemExit, match=r"^error: .*file"):
        main([str(tmp_path / "file"), "--num-images", "1"])


@pytest.mark.slow
def test_benchmark_prints_and_writes_a_table(tmp_path):
    """Whether it runs; how fast things are is not tested."""
    out, plot = tmp_path / "table.md", tmp_path / "plot.png"
    rows = ("decode", "tag_loss", "heatmap_loss", "targets", "training", "profile")
    result = run("benchmark.py", *rows, "--repeats", 1, "--out", out, "--plot", plot)
    assert result.returncode == 0, result.stderr
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
def test_benchmark_names_rows_that_there_are_not():
    result = run("benchmark.py", "nothing")
    assert result.returncode == 2
    assert "there is no row nothing" in result.stderr


@pytest.mark.slow
def test_the_demo_shows_people_and_compares(tmp_path):
    """With few images and iterations: the network trained now finds no one."""
    few = ("--train-images", 16, "--val-images", 8, "--iterations", 52)
    result = run("demo.py", *few, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = re.search(r"comes with the package found (\d+) people in 12 images", result.stdout)
    assert int(found.group(1)) > 12
    table = result.stdout[result.stdout.index("images that neither has seen") :]
    packaged, trained = map(float, re.search(r"AP50 +([\d.]+) +([\d.]+)", table).groups())
    assert packaged > 0.5 > trained
    for name in ("packaged", "trained"):
        assert len(list((tmp_path / "demo_output" / name).glob("*.jpg"))) == 12


@pytest.mark.slow
def test_the_demo_needs_more_iterations_than_its_warm_up(tmp_path):
    result = run("demo.py", "--iterations", 50, cwd=tmp_path)
    assert result.returncode == 1
    assert "must be over 50" in result.stderr
