"""What is broken in an annotation file stops the dataset and the metric, or is left out, listed."""

import copy
import json
import logging
import re
import runpy

import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmpose.registry import DATASETS, METRICS

from swahr_mmpose.datasets.annotations.check import check_content
from swahr_mmpose.datasets.annotations.reading import AnnotationFileError

from ...helpers import ROOT, load_config, sample_of_people

check_file = runpy.run_path(str(ROOT / "tools" / "check_dataset.py"))["main"]

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def content(synthetic_data):
    return json.loads((synthetic_data / "annotations" / "train.json").read_text())


@pytest.fixture(scope="module")
def config():
    return load_config("swahr_tiny_synthetic")


@pytest.fixture
def build(synthetic_data, tmp_path, config):
    """The training or test dataset of the tiny config, with an annotation file of any content."""

    def build(content, part="train", **kwargs):
        path = tmp_path / "Größe 1" / "ann otations.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        own = dict(ann_file=str(path), data_prefix=dict(img=f"{synthetic_data}/images/train/"))
        own["serialize_data"] = False  # which collects garbage, and takes longest
        return DATASETS.build(
            dict(config[f"{part}_dataloader"].dataset, data_root="", **own, **kwargs)
        )

    return build


@pytest.fixture
def log():
    """The lines of MMEngine's log."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def person_of(content):
    return next(a for a in content["annotations"] if not a["iscrowd"] and a["num_keypoints"] > 3)


def keypoint(*values):
    """Put a keypoint in the place of the first."""
    return lambda content: person_of(content)["keypoints"].__setitem__(slice(0, 3), values)


def field(section="annotations", **values):
    """Set fields of a person, or of the first image; ... removes them."""

    def change(content):
        entry = person_of(content) if section == "annotations" else content[section][0]
        entry.update(values)
        for name in [name for name, value in values.items() if value is ...]:
            del entry[name]

    return change


def region(segmentation, **values):
    """A region of people without keypoints, whose segmentation is read in training."""
    return field(keypoints=[0] * 51, num_keypoints=0, segmentation=segmentation, **values)


def run_lengths(*counts):
    """Run lengths for an image; None stands for what is missing to it."""

    def change(content):
        person = person_of(content)
        image = next(i for i in content["images"] if i["id"] == person["image_id"])
        h, w = image["height"], image["width"]
        rest = h * w - sum(count or 0 for count in counts)
        full = [rest if count is None else count for count in counts]
        region(dict(size=[h, w], counts=full))(content)

    return change


def twice(section, **values):
    return lambda content: content[section].append(dict(content[section][0], **values))


#: A change that breaks a file, and what the message says of it.
BREAKS = [
    (twice("annotations"), r"annotation \d+: `id` is that of another"),
    (twice("images"), r"image \d+: is listed twice"),
    (twice("images", file_name="other.jpg"), r"image \d+: `id` is that of 2 images"),
    (field(category_id=7), r"annotation \d+: `category_id` 7 is that of no category"),
    (field(category_id=...), "`category_id` None"),
    (field(image_id=999), "`image_id` 999 is that of no image"),
    (field(image_id=[1]), r"`image_id` \[1\] is that of no image"),
    (field(id=...), "annotation None: `id` is no whole number"),
    (field(id="seven"), "annotation 'seven': `id` is no whole number"),
    (field(area=-5), "`area` is -5"),
    (field(area=NAN), "`area` is nan"),
    (field(bbox=[1, 2, 0, 5]), r"`bbox` is \[1, 2, 0, 5\]"),
    (field(bbox=[1, 2, INF, 5]), r"`bbox` is \[1, 2, inf, 5\]"),
    (field(bbox=...), "`bbox` is None"),
    (field(keypoints=...), "`keypoints` is None"),
    (field(keypoints="many"), "`keypoints` is 'many'"),
    (field(keypoints=[1, 2, 2]), "`keypoints` is 3 numbers, and not 3 × 17 = 51"),
    (field(num_keypoints="3"), "`num_keypoints` is '3'"),
    (field(iscrowd="no"), "`iscrowd` is 'no'"),
    (field(iscrowd=None), "`iscrowd` is None"),
    (keypoint("5", 5, 2), r"keypoint 0 of `keypoints` is \['5', 5, 2\]"),
    (keypoint(None, 5, 2), "keypoint 0 .* is .None, 5, 2"),
    (keypoint(NAN, 5, 2), "keypoint 0 .* is .nan, 5, 2"),
    (keypoint(5, -INF, 2), "keypoint 0 .* is .5, -inf, 2"),
    (keypoint(1e30, 5, 2), r"keypoint 0 .* is .1e\+30, 5, 2"),
    (keypoint(5, 5, -1), "keypoint 0 .* has visibility -1"),
    (keypoint(5, 5, 3), "keypoint 0 .* has visibility 3"),
    (field("images", width=...), "image .*: `width` and `height` are None and"),
    (field("images", height=0), "image .*: `width` and `height` are .* and 0"),
    (field("images", file_name=None), "image .*: `file_name` is None"),
    (field("images", id="one"), "image 'one': `id` is 'one'"),
    (region([[1, 2, 3, 4]]), "`segmentation` has a polygon of 4 numbers"),
    (region([[1, 2, 3, NAN, 5, 6]]), "`segmentation` has a polygon with coordinates that are no"),
    (region([[1, 2, 3, INF, 5, 6]]), "`segmentation` has a polygon with coordinates that are no"),
    (region([[1, 2, 3, 1e9, 5, 6]]), "`segmentation` has a polygon with coordinates that are no"),
    (region([[1, 2, 3, 9e5, 5, 6]]), "`segmentation` has a polygon .* far outside"),
    (region([[1, 2, "3", 4, 5, 6]]), "`segmentation` has a polygon with coordinates that are no"),
    (region([5, 6]), "`segmentation` has a polygon that is int"),
    (region("mask"), "`segmentation` is str"),
    (region(dict(counts=[5])), "`segmentation` has `size` None"),
    (region(dict(size=5, counts=[5])), "`segmentation` has `size` 5"),
    (run_lengths(5, 10**9), "has `counts` for 1000000005 pixels"),
    (run_lengths(5, -8, None), "has negative `counts`"),
    (run_lengths(5, 20), "has `counts` for 25 pixels"),
]


@pytest.mark.parametrize(("change", "message"), BREAKS)
def test_the_broken_entry_is_named_left_out_or_fixed(content, build, log, change, message):
    num_people = len(content["annotations"])
    change(content)
    assert check_content(check_content(content).fixed).problems == []
    with pytest.raises(AnnotationFileError, match=message) as caught:
        build(content)
    assert "Größe 1/ann otations.json' can't be trained" in str(caught.value)
    assert "--fix fixed.json" in str(caught.value)

    dataset = build(content, skip_broken=True)
    left = sum(len(info["id"]) for info in map(dataset.get_data_info, range(len(dataset))))
    assert left < num_people or message.endswith(("of another", "listed twice"))
    (line,) = (line for line in log if "leaves out" in line)
    assert re.search(message, line)
    assert dataset[0]["inputs"].shape == (3, 192, 192)


def test_the_first_ten_are_said_and_the_others_counted(content, build):
    for annotation in content["annotations"]:
        annotation["area"] = -1
    with pytest.raises(AnnotationFileError) as caught:
        build(content)
    lines = str(caught.value).splitlines()
    assert lines[11] == f"- and {len(content['annotations']) - 10} more"
    with pytest.raises(AnnotationFileError, match="`area` is -1"):
        build(content, skip_broken=True)
    with pytest.raises(AnnotationFileError, match="no person has a labelled keypoint"):
        build(dict(content, annotations=[]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', r"ann otations.json' is no whole JSON file: .*copied to its end"),
        ("[" * 100000, "ann otations.json' is nested too deeply"),
        ('{"images": []}', "ann otations.json' has no list of objects `annotations`"),
        (
            json.dumps(dict(images=[], annotations=[], categories=[dict(id=1, name="person")])),
            "no image can be used",
        ),
        (json.dumps(dict(images=[], annotations=[], categories=[])), "which is that of people"),
    ],
)
def test_files_that_can_not_be_used_at_all(build, text, message):
    with pytest.raises(AnnotationFileError, match=message):
        build(text, skip_broken=True)


#: Unusual, and right as it is.
HARMLESS = [
    field(area=...),
    field(segmentation=...),
    field(segmentation=None),
    field(segmentation=[[1, NAN]]),
    field(iscrowd=...),
    field(num_keypoints=...),
    field(bbox=[-5, -5, 10000, 10000]),
    keypoint(-40, 5000, 2),
    region([]),
    region([[]]),
    region([[], [1, 2, 30, 4, 5, 60]]),
    region(None, iscrowd=1),
    region([], bbox=[5, 5, 0, 0], area=0),
    run_lengths(50, 100, None),
    twice("categories", id=2, name="car"),
]


@pytest.mark.parametrize("change", HARMLESS)
def test_what_is_unusual_trains(content, build, log, change):
    whole = copy.deepcopy(content)
    change(content)
    dataset = build(content)
    ids = [dataset.get_data_info(index)["img_id"] for index in range(len(dataset))]
    sample = dataset[ids.index(person_of(whole)["image_id"])]
    assert sample["inputs"].shape == (3, 192, 192)
    assert not any("leaves out" in line for line in log)


def test_keypoints_outside_the_image_have_no_target(content, build):
    person = person_of(content)
    person["keypoints"][:3] = [-400, 5000, 2]
    dataset = build(content)
    (info,) = (
        info
        for info in map(dataset.get_data_info, range(len(dataset)))
        if info["img_id"] == person["image_id"]
    )
    row = info["id"].index(person["id"])
    (index,) = (i for i in range(len(dataset)) if dataset[i]["data_samples"].id == info["id"])
    labels = dataset[index]["data_samples"].gt_instance_labels
    assert labels.keypoint_indices[row, 0, 1] == 0


def test_five_hundred_people_in_an_image(content, build):
    person = person_of(content)
    person["segmentation"] = []
    content["annotations"] = [dict(person, id=i) for i in range(500)]
    dataset = build(content)
    assert len(dataset) == 1
    assert len(dataset[0]["data_samples"].gt_instance_labels) == 500


def with_category(content, people, **other):
    """People of another id, and boxes of another category, which has people's place."""
    content["categories"] = [dict(id=1, name="car"), dict(content["categories"][0], id=people)]
    for annotation in content["annotations"]:
        annotation["category_id"] = people
    image = content["images"][0]["id"]
    content["annotations"].append(dict(id=10**6, image_id=image, category_id=1, bbox=[0, 0, 9, 9]))
    return content


def metric_of(dataset, **kwargs):
    """The metric, which checks the dataset's file as it gets to know it."""
    metric = METRICS.build(dict(type="BottomupCocoMetric", **kwargs))
    metric.dataset_meta = dataset.metainfo
    return metric


def evaluate(build, content, skip_broken=False, **kwargs):
    """The metric, and the AP of a file's own people."""
    dataset = build(content, part="test", skip_broken=skip_broken)
    metric = metric_of(dataset, skip_broken=skip_broken, **kwargs)
    samples = []
    for info in map(dataset.get_data_info, range(len(dataset))):
        raw = info["raw_ann_info"] or []
        people = np.array([a["keypoints"] for a in raw if a["num_keypoints"]], float)
        people = people.reshape(-1, 17, 3)[..., :2]
        samples.append(sample_of_people(info["img_id"], people, np.ones(len(people))))
    metric.process(None, samples)
    return metric, metric.evaluate(len(samples))["coco/AP"]


def test_people_may_be_of_any_category(content, build, log):
    before = build(content, part="test")
    with_category(content, people=3)
    after = build(content, part="test")
    assert [after.get_data_info(i)["id"] for i in range(8)] == [
        before.get_data_info(i)["id"] for i in range(8)
    ]
    assert any("1 annotations are of other categories than 'person'" in line for line in log)
    metric, ap = evaluate(build, content)
    assert ap == pytest.approx(1.0)
    assert {category["id"] for category in metric.coco.dataset["categories"]} == {3}


def test_the_metric_checks_the_file_that_it_reads(content, build):
    person_of(content)["area"] = -1
    with pytest.raises(AnnotationFileError, match="`area` is -1"):
        evaluate(build, content)
    with pytest.raises(AnnotationFileError, match="`skip_broken=True`, of the dataset and of its"):
        metric_of(build(content, part="test", skip_broken=True))
    _, ap = evaluate(build, content, skip_broken=True)
    assert ap == pytest.approx(1.0)


def in_units(unit):
    """Keypoints in shares of the image, or in percent."""

    def change(content):
        sides = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for person in content["annotations"]:
            for axis, side in enumerate(sides[person["image_id"]]):
                places = np.array(person["keypoints"][axis::3]) / side * unit
                person["keypoints"][axis::3] = places.tolist()

    return change


def as_corners(content):
    for person in content["annotations"]:
        left, top, width, height = person["bbox"]
        person["bbox"] = [left, top, left + width, top + height]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            in_units(1),
            r"(\d+) of \1 people have all `keypoints` between 0 and 1\. If they are shares",
        ),
        (in_units(100), r"(\d+) of \1 people have .* between 0 and 100\. If they are percent"),
        (
            as_corners,
            r"\d+ of \d+ people have a `bbox` that ends outside .* left, top, right and b",
        ),
    ],
)
def test_other_units_and_orders_are_refused(content, build, tmp_path, capsys, change, message):
    whole = build(content, part="test")
    change(content)
    for part in ("train", "test"):
        with pytest.raises(AnnotationFileError, match=message):
            build(content, part, skip_broken=True)
    with pytest.raises(AnnotationFileError, match=message):
        metric_of(whole, ann_file=whole.ann_file)
    assert check_file([whole.ann_file, "--fix", str(tmp_path / "fixed.json")]) == 1
    assert re.search(message, capsys.readouterr().out)
    assert not (tmp_path / "fixed.json").exists()


def test_evaluation_with_areas_asks_for_them(content, build):
    del person_of(content)["area"]
    dataset = build(content, part="test")
    with pytest.raises(AnnotationFileError, match="`area` is None"):
        metric_of(dataset)
    metric_of(dataset, use_area=False)


def test_crowd_levels_ask_for_the_crowd_index(content, build):
    with pytest.raises(AnnotationFileError, match="has no number `crowdIndex`"):
        metric_of(build(content, part="test"), iou_type="keypoints_crowd")
    for index, image in enumerate(content["images"]):
        image["crowdIndex"] = index / 10
    content["images"].append(dict(id="none"))
    _, ap = evaluate(build, content, skip_broken=True, iou_type="keypoints_crowd")
    assert ap == pytest.approx(1.0)


def test_whole_bodies_are_evaluated_in_category_1(content, build):
    dataset = build(with_category(content, people=3), part="test")
    metric = METRICS.build(
        dict(type="BottomupCocoWholeBodyMetric", ann_file=dataset.ann_file, use_area=False)
    )
    metric.KEYPOINT_FIELDS = {"keypoints": 17}
    with pytest.raises(AnnotationFileError, match="id 3, and the evaluation of whole bodies"):
        metric.dataset_meta = dataset.metainfo
