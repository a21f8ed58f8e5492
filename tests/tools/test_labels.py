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
    """The path of the annotations without some fields, the last image first."""

    def write(*fields):
        content = json.loads((drawn / "annotations" / "val.json").read_text())
        content["images"].reverse()
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


def as_lines(annotations, results):
    """The lines that `swahr predict` writes, from results in COCO's form."""
    images = json.loads(annotations.read_text())["images"]
    files = {image["id"]: image["file_name"] for image in images}
    people = {}
    for record in json.loads(results.read_text()):
        numbers, score = record["keypoints"], record["score"]
        places = [numbers[k : k + 2] for k in range(0, 51, 3)]
        person = dict(keypoints=places, keypoint_scores=numbers[2::3], score=score)
        people.setdefault(files[record["image_id"]], []).append(person)
    return [json.dumps(dict(file=file, people=own)) for file, own in people.items()]


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
    path.write_text(json.dumps(records))
    if name == "jsonl":
        lines, field = as_lines(annotations, path), "keypoints"
        before = [record["image_id"] for record in records[:3]]
        where = f"line {len(set(before))}, person {before.count(image)}, image {image}"
        path = tmp_path / "results.jsonl"
        path.write_text("\n".join(lines))
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


def test_lines_of_some_images_are_about_these(analyze, write, results, tmp_path):
    """One has a line and no people."""
    (path, found), annotations, given = results, write(), tmp_path / "results.jsonl"
    lines = [*as_lines(annotations, path)[:2], '{"file": "%s", "people": []}']
    files = {i["id"]: i["file_name"] for i in json.loads(annotations.read_text())["images"]}
    given.write_text("\n".join(lines) % files[3])
    code, error = analyze(annotations, given, "--worst", 0)
    assert code == 0
    assert f"nothing for 12 of 15 labelled images, first '{files[15]}'. The figures are" in error
    text = (tmp_path / "analysis.html").read_text()
    assert "Images: 3 of 15. Without a found person: 1." in text
    tested = {1: found[1], 2: found[2], 3: np.zeros((0, 17, 2))}
    ap = ap_of_the_metric(annotations, tested)
    assert 0 < ap < 1
    assert f"<h1>results.jsonl: AP {ap:.3f}</h1>" in text


def test_entries_of_some_images_are_counted(analyze, write, results, tmp_path):
    """Where COCO's form has none, no one was found, or the image was not tested."""
    path = results[0]
    records = [record for record in json.loads(path.read_text()) if record["image_id"] < 3]
    path.write_text(json.dumps([*records, records[0]]))
    code, error = analyze(write(), path, "--worst", 0)
    assert code == 0
    assert re.search(r"nothing for 13 of 15 labelled images, first .* count as missed\.", error)
    assert "the same person twice in 1 images, first image 1." in error
    text = (tmp_path / "analysis.html").read_text()
    assert "Images: 15 of 15. Without a found person: 13." in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"file": "a.png", "people": []}\n' * 2, "Line 2 .* is the second one of 'a.png'"),
        ('{"file": "both.png", "people": []}', r"images \[2, 1\] .* one `file_name`, 'both.png'"),
        ('{"file": "x.png", "people": []}', "1 images without labels, first 'x.png'"),
        ("", "no line for any labelled image"),
        ("[" * 100_000, "results.jsonl' can't be read as results .*RecursionError"),
    ],
)
def test_lines_that_are_no_results_are_named(analyze, write, tmp_path, line, message):
    annotations, given = write(), tmp_path / "results.jsonl"
    content = json.loads(annotations.read_text())
    for image, name in zip(content["images"][-3:], ("a.png", "both.png", "both.png")):
        image["file_name"] = name
    annotations.write_text(json.dumps(content))
    given.write_text(line)
    code, error = analyze(annotations, given)
    assert code == 2
    assert re.search(message, error)


@pytest.mark.parametrize(("lead", "expected"), [("../val/", 0), ("../", 2), ("/x/", 2)])
def test_images_outside_their_folder_are_not_shown(analyze, write, results, images, lead, expected):
    annotations = write()
    content = json.loads(annotations.read_text())
    for image in content["images"]:
        image["file_name"] = lead + image["file_name"]
    annotations.write_text(json.dumps(content))
    code, error = analyze(annotations, results[0], "--worst", 1)
    assert code == expected
    assert (f"leads out of the folder '{images}'" in error) == bool(expected)


def test_two_results_are_compared(run, write, results, images, tmp_path):
    """Without the strangers, the first of each image, AP is higher."""
    (path, found), annotations = results, write()
    better, part = tmp_path / "better.json", tmp_path / "part.jsonl"
    records = json.loads(path.read_text())
    known = [b for a, b in zip(records, records[1:]) if a["image_id"] == b["image_id"]]
    better.write_text(json.dumps(known))
    part.write_text(as_lines(annotations, path)[0])
    expected = ap_of_the_metric(annotations, {i: own[1:] for i, own in found.items()})
    expected -= ap_of_the_metric(annotations, found)
    options = ["--images", images, "--out", tmp_path / "a.html", "--worst", 0]
    code, said, error = run("analyze_results.py", annotations, path, better, *options)
    assert code == 0, error
    numbers = re.search(rf"AP of {better} less AP of {path}: (\S+) \(95 %: (\S+) to (\S+)\)", said)
    value, low, high = map(float, numbers.groups())
    assert 0 < low < value < high
    assert value == pytest.approx(expected, abs=1e-3)
    code, _, error = run("analyze_results.py", annotations, path, part, *options)
    assert code == 2
    assert "Only one of the files has results for 14 images, first image 2" in error
