"""The tools that compare ways of reading people, and analyse results, as a user runs them."""

import re
import subprocess
import sys

import pytest

from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

from ...helpers import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """What both tools are told of 15 drawn images."""
    folder = tmp_path_factory.mktemp("drawn")
    path = generate_dataset(folder, "val", SyntheticOptions(num_images=15, seed=9, long_side=192))
    return ["--data", str(path), "--images", str(folder / "images" / "val")]


def run(*arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_ways_of_reading_people_are_compared(data):
    options = ["--num-images", 8, "--resamples", 50]
    result = run("tools/research/decoding_study", "swahr_tiny_synthetic", *data, *options)
    assert result.returncode == 0, result.stderr
    rows = [line.strip("|").split(" | ") for line in result.stdout.splitlines() if " | " in line]
    scores = {row[0].strip(): float(row[1]) for row in rows if re.fullmatch(r"[\d.]+", row[1])}
    assert scores["official"] > 0.3
    assert scores["official, oracle scores"] > scores["official"]
    ties = ("as SciPy leaves them", "by true distance", "by place")
    assert {f"official cost, ties {how}" for how in ties} < set(scores)


def test_results_are_analyzed(data, tmp_path):
    annotations, images = data[1], data[3]
    config = ["--config", "swahr_tiny_synthetic", "--workers", 0, "--as-config"]
    result = run("tools/predict.py", images, *config, "--out", tmp_path / "results.jsonl")
    assert result.returncode == 0, result.stderr
    out = tmp_path / "analysis.html"
    command = ["tools/analyze_results.py", annotations, tmp_path / "results.jsonl"]
    result = run(*command, "--images", images, "--out", out, "--worst", 3)
    assert result.returncode == 0, result.stderr
    text = out.read_text()
    ap = float(re.search(r"<h1>results.jsonl: AP ([\d.]+)</h1>", text).group(1))
    assert 0.3 < ap < 1
    assert text.count("<figure>") == 3
    assert text.count('src="data:image/jpeg') == 6
    assert "<td>left shoulder</td>" in text
    broken = tmp_path / "broken.json"
    broken.write_text('[{"image_id": 1}]')
    result = run(command[0], annotations, broken, "--images", images, "--out", out)
    assert result.returncode == 2
    assert "can't be read as results" in result.stderr
    broken.write_text('[{"image_id": 1, "keypoints": [1, 2, 3], "score": 1}]')
    result = run(command[0], annotations, broken, "--images", images, "--out", out)
    assert "3 numbers, which are not the 17 keypoints" in result.stderr
