"""Annotation files as the tools read them: what the metric accepts, and the rest by name."""

import json
import re

import numpy as np
import pytest
from mmpose.registry import METRICS

from swahr_mmpose.checkpoints.model_zoo import weights_of

from ..helpers import dataset_meta, load_config, sample_of_people

TINY = "swahr_tiny_synthetic"
META = dataset_meta(load_config(TINY))


@pytest.fixture
def images(drawn):
    return str(drawn / "images" / "val")


@pytest.fixture
def write(drawn, tmp_path):
    """The path of the annotations without some fields."""

    def write(*fields):
        content = json.loads((drawn / "annotations" / "val.json").read_text())
        for annotation in content["annotations"]:
            for field in fields:
                annotation.pop(field)
        path = tmp_path / "own.json"
        path.write_text(json.dumps(content))
        return path

    return write


def noisy_people(path):
    """Labelled people with noise, and strangers, by image id."""
    rng = np.random.default_rng(0)
    content = json.loads(path.read_text())
    found = {image["id"]: [rng.uniform(0, 192, (17, 2))] for image in content["images"]}
    for annotation in content["annotations"]:
        if any(annotation["keypoints"][2::3]):
            places = np.array(annotation["keypoints"], float).reshape(17, 3)[:, :2]
            found[annotation["image_id"]].append(places + rng.normal(0, 2, (17, 2)))
    return {image: np.array(people) for image, people in found.items()}


@pytest.fixture
def results(drawn, tmp_path):
    """A file of results, and the people in it."""
    found = noisy_people(drawn / "annotations" / "val.json")
    records = [
        dict(image_id=image, keypoints=np.insert(person, 2, 1, axis=1).ravel().tolist(), score=0.5)
        for image, people in found.items()
        for person in people
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(records))
    return path, found


def ap_of_the_metric(path, found, **options):
    metric = METRICS.build(dict(type="BottomupCocoMetric", ann_file=str(path), **options))
    metric.dataset_meta = META
    samples = [sample_of_people(one, own, np.full(len(own), 0.5)) for one, own in found.items()]
    metric.process(None, samples)
    return metric.evaluate(len(samples))["coco/AP"]


@pytest.fixture
def analyze(run, images, tmp_path):
    """Exit code of the analysis, and its error."""

    def analyze(annotations, results, *options, out=tmp_path / "analysis.html"):
        arguments = [annotations, results, "--images", images, "--out", out, *options]
        code, _, error = run("analyze_results.py", *arguments)
        return code, error

    return analyze


@pytest.mark.parametrize("missing", [(), ("iscrowd", "num_keypoints"), ("area",)])
def test_the_analysis_takes_what_the_metric_takes(analyze, write, results, tmp_path, missing):
    path, found = results
    annotations = write(*missing)
    code, error = analyze(annotations, path, "--worst", 1)
    assert code == 0, error
    text = (tmp_path / "analysis.html").read_text()
    ap = float(re.search(r"AP ([\d.]+)</h1>", text).group(1))
    use_area = "area" not in missing
    assert 0.1 < ap < 0.95
    assert ap == pytest.approx(ap_of_the_metric(annotations, found, use_area=use_area), abs=1e-3)


@pytest.mark.parametrize("tool", ["analyze_results.py", "research/decoding_study"])
def test_what_the_metric_refuses_is_named(run, write, results, images, tool):
    annotations = write("bbox")
    arguments = [annotations, results[0]]
    if tool != "analyze_results.py":
        arguments = [TINY, weights_of(TINY), "--data", annotations]
    code, _, error = run(tool, *arguments, "--images", images)
    assert code == 2
    assert f"error: '{annotations}' can't be trained or tested with" in error
    assert re.search(r"annotation \d+: `bbox` is None", error)


@pytest.mark.parametrize("replaced", ["annotations", "results"])
def test_the_analysis_replaces_nothing_that_it_reads(analyze, write, results, replaced):
    path, annotations = results[0], write()
    out = dict(annotations=annotations, results=path)[replaced]
    before = out.read_bytes()
    code, error = analyze(annotations, path, out=out)
    assert code == 2
    assert f"error: '{out}' is read, and would be replaced" in error
    assert out.read_bytes() == before


def test_fewer_than_no_images_can_not_be_drawn(analyze, write, results, tmp_path):
    code, error = analyze(write(), results[0], "--worst", -1)
    assert code == 2
    assert "error: --worst must be at least 0, but is -1" in error
    assert not (tmp_path / "analysis.html").exists()


@pytest.mark.parametrize("value", ["a", "1.5", None, float("nan"), float("inf"), [1]])
@pytest.mark.parametrize("name", ["keypoints", "score", "jsonl"])
def test_results_of_other_than_numbers_are_named(analyze, write, results, tmp_path, name, value):
    path, annotations = results[0], write()
    records = json.loads(path.read_text())
    image = records[2]["image_id"]
    where, field = f"entry 3, image {image}", name
    if name == "score":
        records[2]["score"] = value
    else:
        records[2]["keypoints"][4] = value
    if name == "jsonl":
        files = {i["id"]: i["file_name"] for i in json.loads(annotations.read_text())["images"]}
        path, field = tmp_path / "results.jsonl", "keypoints"
        where = f"line 3, person 1, image {image}"
        lines = []
        for record in records:
            numbers = record["keypoints"]
            person = dict(
                keypoints=[numbers[k : k + 2] for k in range(0, 51, 3)],
                keypoint_scores=numbers[2::3],
                score=0.5,
            )
            lines.append(dict(file=files[record["image_id"]], people=[person]))
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        path.write_text(json.dumps(records))
    code, error = analyze(annotations, path)
    assert code == 2
    assert error.startswith(f"error: '{path}', {where}: `{field}` holds {value!r}, and must hold")
    assert not (tmp_path / "analysis.html").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(keypoints=7, score=1), "must be a list of numbers"),
        (dict(keypoints=None, score=1), "must be a list of numbers"),
        (dict(keypoints="a" * 51, score=1), "must be a list of numbers"),
        (dict(keypoints={}, score=1), "must be a list of numbers"),
        (dict(keypoints=[1, 2, 3], score=1), "3 numbers, which are not the 17 keypoints"),
        ({}, "can't be read as results"),
    ],
)
def test_what_is_no_person_is_named(analyze, write, tmp_path, fields, message):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([dict(image_id=1, **fields)]))
    code, error = analyze(write(), path)
    assert code == 2
    assert f"error: '{path}'" in error
    assert "entry 1, image 1" in error or "list of numbers" not in message
    assert message in error
