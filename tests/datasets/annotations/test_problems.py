"""Each kind of broken annotation is named, and the fixed file is whole."""

import copy
import json
import os
import runpy
import time

import pytest

from swahr_mmpose.datasets.annotations.check import check_content
from swahr_mmpose.datasets.annotations.segmentation import segmentation_problem

from ...helpers import ROOT

check = runpy.run_path(str(ROOT / "tools" / "check_dataset.py"))["main"]


def find_problems(content, folder=None):
    found = check_content(content, folder=folder)
    return found.problems, found.fixed


@pytest.fixture
def content(synthetic_data):
    return json.loads((synthetic_data / "annotations" / "val.json").read_text())


def test_whole_annotations_have_no_problems(synthetic_data, capsys):
    annotations = synthetic_data / "annotations" / "val.json"
    images = synthetic_data / "images" / "val"
    assert check([str(annotations), "--images", str(images)]) == 0
    assert ", 0 problems" in capsys.readouterr().out


def first_person(content):
    return next(a for a in content["annotations"] if not a["iscrowd"] and a["num_keypoints"] > 3)


#: What is named and fixed though training and test work with it; the rest is in test_broken.py.
HARMLESS = [
    (dict(num_keypoints=99), "`num_keypoints` is 99"),
    (dict(area=None), "`area` is None"),
    (dict(segmentation=[[1, 2, 3, 4]]), "has a polygon of 4 numbers"),
    (dict(segmentation=[[]]), "has a polygon of 0 numbers"),
    (dict(segmentation="mask"), "is str, and neither polygons nor run lengths"),
]


@pytest.mark.parametrize(("broken", "message"), HARMLESS)
def test_what_is_harmless_is_named_and_fixed(content, broken, message):
    person = first_person(content)
    person.update(broken)
    before = copy.deepcopy(content)
    (problem,), fixed = find_problems(content)
    assert problem.where == f"annotation {person['id']}"
    assert message in str(problem)
    assert not problem.stops
    assert content == before
    assert find_problems(fixed)[0] == []


@pytest.mark.parametrize("keypoint", [[float("nan"), 5, 2], [-40, 5, 2]])
def test_broken_keypoints_become_unlabelled(content, keypoint):
    person = first_person(content)
    k = next(k for k in range(17) if person["keypoints"][3 * k + 2] > 0)
    person["keypoints"][3 * k : 3 * k + 3] = keypoint
    problems, fixed = find_problems(content)
    assert f"keypoint {k} " in problems[0].what
    own = next(a for a in fixed["annotations"] if a["id"] == person["id"])
    assert own["keypoints"][3 * k : 3 * k + 3] == [0, 0, 0]
    assert own["num_keypoints"] == person["num_keypoints"] - 1


def test_ids_that_are_there_twice(content):
    """One image twice is taken once; of two images no one knows whose the people are."""
    first, second = content["annotations"][:2]
    own, second["id"] = second["id"], first["id"]
    (problem,), fixed = find_problems(content)
    assert "`id` is that of another" in problem.what
    assert len({a["id"] for a in fixed["annotations"]}) == len(content["annotations"])
    second["id"] = own
    twice = content["images"][0]
    content["images"].append(dict(twice))
    problems, fixed = find_problems(content)
    assert [problem.what for problem in problems] == ["is listed twice"]
    assert fixed["images"] == content["images"][:-1]
    content["images"][1]["id"] = twice["id"]
    problems, fixed = find_problems(content)
    assert "is that of 3 images" in problems[0].what
    assert twice["id"] not in {image["id"] for image in fixed["images"]}
    assert twice["id"] not in {entry["image_id"] for entry in fixed["annotations"]}


def test_a_category_whose_id_is_no_number_gets_none_of_the_others(content):
    content["categories"] = [dict(id=True, name="car"), dict(content["categories"][0], id=0)]
    for annotation in content["annotations"]:
        annotation["category_id"] = 0
    fixed = check_content(content).fixed
    assert not check_content(fixed).problems


def test_people_become_category_1(content):
    content["categories"] = [dict(id=1, name="car"), dict(content["categories"][0], id=3)]
    for annotation in content["annotations"]:
        annotation["category_id"] = 3
    content["annotations"].append(dict(id=10**6, image_id=1, category_id=1, bbox=[0, 0, 9, 9]))
    problems, fixed = find_problems(content)
    assert "other tools ask for 1" in problems[0].what
    assert "1 annotations are of other categories than 'person'" in problems[1].what
    assert not any(problem.stops for problem in problems)
    assert {a["category_id"] for a in fixed["annotations"]} == {1}
    assert {c["name"]: c["id"] for c in fixed["categories"]} == {"car": 4, "person": 1}
    assert find_problems(fixed)[0] == []


def nested(keypoints):
    return [keypoints[k : k + 3] for k in range(0, len(keypoints), 3)]


@pytest.mark.parametrize(
    ("section", "field", "other"),
    [
        *((section, "id", kind) for section in ("images", "annotations") for kind in (str, float)),
        ("annotations", "image_id", str),
        ("annotations", "category_id", float),
        ("categories", "id", str),
        ("annotations", "keypoints", nested),
        ("images", "file_name", lambda name: name.replace("/", "\\")),
    ],
)
def test_what_other_tools_write_is_converted(content, tmp_path, section, field, other):
    for image in content["images"]:
        image["file_name"] = f"images/{image['file_name']}"
    whole = json.dumps(content, sort_keys=True)
    for entry in content[section]:
        entry[field] = other(entry[field])
    source, out = tmp_path / "own.json", tmp_path / "fixed.json"
    source.write_text(json.dumps(content))
    assert check([str(source), "--fix", str(out)]) == 1
    assert json.dumps(json.loads(out.read_text()), sort_keys=True) == whole


def test_a_category_without_keypoints_is_completed(content, tmp_path, capsys):
    names = content["categories"][0].pop("keypoints")
    source, out = tmp_path / "own.json", tmp_path / "fixed.json"
    source.write_text(json.dumps(content))
    assert check([str(source), "--fix", str(out)]) == 1
    assert "--dataset takes it from a description" in capsys.readouterr().out
    assert not out.exists()
    first_person(content)["area"] = -1
    source.write_text(json.dumps(content))
    assert check([str(source)]) == 1
    assert "`area` is -1" in capsys.readouterr().out
    assert check([str(source), "--dataset", "coco", "--fix", str(out)]) == 1
    assert json.loads(out.read_text())["categories"][0]["keypoints"] == names
    assert check([str(out), "--dataset", "coco"]) == 0


def test_the_category_with_keypoints_is_that_of_people(content):
    """CVAT writes a rectangle beside each skeleton."""
    boxes = [dict(person, id=1000 + person["id"]) for person in content["annotations"]]
    for person in content["annotations"]:
        person["category_id"] = 2
    content["annotations"] += [{k: v for k, v in box.items() if k != "keypoints"} for box in boxes]
    skeleton = dict(content["categories"][0], id=2, name="skeleton")
    content["categories"] = [dict(id=1, name="person"), skeleton]
    problems, fixed = find_problems(content)
    assert not any(problem.stops for problem in problems)
    assert len(fixed["annotations"]) == len(boxes)
    assert {entry["name"]: entry["id"] for entry in fixed["categories"]}["skeleton"] == 1


@pytest.mark.parametrize("field", ["image_id", "keypoints"])
def test_a_file_without_anyone_is_not_written(content, tmp_path, field):
    source, out = tmp_path / "own.json", tmp_path / "fixed.json"
    for person in content["annotations"]:
        person[field] = dict(image_id=999, keypoints=["1.5"] * 51)[field]
    source.write_text(json.dumps(content))
    assert check([str(source), "--fix", str(out)]) == 1
    assert not out.exists()


def test_many_images_of_one_id_take_no_time(content):
    content["images"] = [dict(content["images"][0]) for _ in range(8000)]
    start = time.process_time()
    find_problems(content)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gbk"])
def test_encodings(content, tmp_path, capsys, encoding):
    content["info"] = "关键点"
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding=encoding)
    assert check([str(path)]) == (2 if encoding == "gbk" else 0)
    assert ("Save it as UTF-8" in capsys.readouterr().err) == (encoding == "gbk")


def test_a_pipe_is_no_file(tmp_path, capsys):
    os.mkfifo(tmp_path / "own.json")
    assert check([str(tmp_path / "own.json")]) == 2
    assert "or it is a folder or a pipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([], "which is that of people? none"),
        ([dict(id=1, name="a"), dict(id=2, name="b")], "which is that of people? 'a', 'b'"),
        ([dict(id=1, name="person"), dict(id=1, name="car")], "`id` of 'person' is that of others"),
        ([dict(id=1, name="person")], "`keypoints` is None"),
    ],
)
def test_people_must_be_told_apart(content, categories, message):
    (problem,), fixed = find_problems(dict(content, categories=categories))
    assert message in str(problem)
    assert not problem.fixed
    assert fixed["annotations"] == content["annotations"]


def test_images_are_looked_at(content, synthetic_data, tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    for image in content["images"]:
        source = synthetic_data / "images" / "val" / image["file_name"]
        (images / image["file_name"]).write_bytes(source.read_bytes())
    names = [image["file_name"] for image in content["images"]]
    (images / names[0]).unlink()
    (images / names[1]).write_bytes(b"no image")
    (images / names[2]).write_bytes((images / names[2]).read_bytes()[:-500])
    content["images"][3]["width"] += 1
    problems, fixed = find_problems(content, images)
    assert [names[i] in problems[i].what for i in range(3)] == [True] * 3
    assert "can't be opened: No such file" in problems[0].what
    assert "can't be read as an image: it is cut off" in problems[1].what
    assert "can't be read as an image: it is cut off" in problems[2].what
    assert "`width` and `height`" in problems[3].what
    assert len(problems) == 4
    ids = [image["id"] for image in content["images"]]
    assert [image["id"] for image in fixed["images"]] == ids[3:]
    assert {entry["image_id"] for entry in fixed["annotations"]} <= set(ids[3:])
    assert fixed["images"][0]["width"] == content["images"][3]["width"] - 1

    source, out = tmp_path / "broken.json", tmp_path / "fixed.json"
    source.write_text(json.dumps(content))
    assert check([str(source), "--images", str(images), "--fix", str(out)]) == 1
    assert "0 problems remain" in capsys.readouterr().out
    assert json.loads(source.read_text()) == content
    assert check([str(out), "--images", str(images)]) == 0


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([3, 4], "for 7 pixels, and the image has 12"),
        ([6.0, 6], "no list of whole numbers"),
        (None, "no list of whole numbers"),
        ("\u00e9!", "can't be read"),
    ],
)
def test_wrong_run_lengths_are_named(counts, message):
    assert message in segmentation_problem(dict(size=[3, 4], counts=counts), (3, 4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_annotations.json"], "no list of objects `annotations`"),
        (["missing.json"], "There is no file"),
        (["no_annotations.json", "--fix", "no_annotations.json"], "would be replaced"),
        # where to write is looked at before the annotations are read
        (["missing.json", "--fix", "missing/fixed.json"], "error: The folder '{0}/missing'"),
        (["missing.json", "--fix", "."], "error: '{0}' is a folder"),
    ],
)
def test_files_that_can_not_be_read_or_written_are_named(tmp_path, capsys, arguments, message):
    source = tmp_path / "no_annotations.json"
    source.write_text('{"images": [], "annotations": [1], "categories": []}')
    before = source.read_text()
    files = [own if own == "--fix" else str(tmp_path / own) for own in arguments]
    assert check(files) == 2
    assert message.format(tmp_path) in capsys.readouterr().err
    assert source.read_text() == before
