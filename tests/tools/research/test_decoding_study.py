"""The tools that compare ways of reading people, and analyse results, as a user runs them."""

import json
import re

import pytest

pytestmark = pytest.mark.slow


def test_ways_of_reading_people_are_compared(run, drawn, tmp_path):
    """With no more than the metric asks for in the annotations."""
    content = json.loads((drawn / "annotations" / "val.json").read_text())
    for annotation in content["annotations"]:
        for field in ("iscrowd", "num_keypoints", "area"):
            del annotation[field]
    annotations = tmp_path / "annotations.json"
    annotations.write_text(json.dumps(content))
    options = ["--data", annotations, "--images", drawn / "images" / "val"]
    options += ["--num-images", 8, "--resamples", 50]
    code, said, error = run("research/decoding_study", "swahr_tiny_synthetic", *options)
    assert code == 0, error
    rows = [line.strip("|").split(" | ") for line in said.splitlines() if " | " in line]
    scores = {row[0].strip(): float(row[1]) for row in rows if re.fullmatch(r"[\d.]+", row[1])}
    assert scores["official"] > 0.3
    assert scores["official, oracle scores"] > scores["official"]
    ties = ("as SciPy leaves them", "by true distance", "by place")
    assert {f"official cost, ties {how}" for how in ties} < set(scores)


def test_results_are_analyzed(run, drawn, tmp_path):
    annotations, images = drawn / "annotations" / "val.json", drawn / "images" / "val"
    found, out = tmp_path / "results.jsonl", tmp_path / "analysis.html"
    config = ["--config", "swahr_tiny_synthetic", "--workers", 0, "--as-config"]
    code, _, error = run("predict.py", images, *config, "--out", found)
    assert code == 0, error
    options = ["--images", images, "--out", out, "--worst", 3]
    code, _, error = run("analyze_results.py", annotations, found, *options)
    assert code == 0, error
    text = out.read_text()
    ap = float(re.search(r"<h1>results.jsonl: AP ([\d.]+)</h1>", text).group(1))
    assert 0.3 < ap < 1
    assert text.count("<figure>") == 3
    assert text.count('src="data:image/jpeg') == 6
    assert "<td>left shoulder</td>" in text
