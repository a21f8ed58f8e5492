import json

import pytest
from mmpose.registry import DATASETS, METRICS

from swahr_mmpose.datasets import bottomup_coco_dataset
from swahr_mmpose.datasets.annotations.reading import AnnotationFileError
from swahr_mmpose.datasets.metainfo import keypoint_names

from ..helpers import load_config

IMAGES = [dict(id=1, file_name="1.jpg", width=64, height=48)]


def annotation(**changes):
    base = dict(
        id=7,
        image_id=1,
        category_id=1,
        iscrowd=0,
        keypoints=[10.0, 10, 2] * 17,
        num_keypoints=17,
        bbox=[5.0, 5, 20, 20],
        area=400.0,
        segmentation=[[5.0, 5, 25, 5, 25, 25]],
    )
    return {key: value for key, value in dict(base, **changes).items() if value is not None}


def dataset_of(
    folder, annotations, kind="BottomupCocoDataset", names=None, images=IMAGES, **kwargs
):
    path = folder / "annotations.json"
    content = dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=1, name="person", **(dict(keypoints=names) if names else {}))],
    )
    path.write_text(json.dumps(content))
    return DATASETS.build(dict(type=kind, ann_file=str(path), **kwargs))


def test_people_and_regions_of_an_image_come_together(tmp_path):
    region = annotation(id=8, iscrowd=1, num_keypoints=0, keypoints=[0] * 51)
    dataset = dataset_of(tmp_path, [annotation(), region])
    assert dataset.data_mode == "bottomup"
    info = dataset.get_data_info(0)
    assert info["keypoints"].shape == (2, 17, 2)
    assert len(info["invalid_segs"]) == 1


HANDS_FEET_FACE = dict(
    foot_kpts=[10.0, 10, 2] * 6,
    face_kpts=[10.0, 10, 2] * 68,
    lefthand_kpts=[10.0, 10, 2] * 21,
    righthand_kpts=[10.0, 10, 2] * 21,
)


@pytest.mark.parametrize(
    ("kind", "fields", "count", "name"),
    [
        ("CrowdPose", dict(keypoints=[1.0, 1, 2] * 14), 14, "top_head"),
        ("Aic", dict(keypoints=[1.0, 1, 2] * 14, num_keypoints=14), 14, "head_top"),
        ("CocoWholeBody", HANDS_FEET_FACE, 133, "right_hip"),
    ],
)
def test_each_dataset_has_its_keypoints(tmp_path, kind, fields, count, name):
    dataset = dataset_of(tmp_path, [annotation(**fields)], kind=f"Bottomup{kind}Dataset")
    assert dataset.get_data_info(0)["keypoints"].shape == (1, count, 2)
    assert dataset.metainfo["keypoint_id2name"][12] == name


@pytest.fixture
def training_data(synthetic_data):
    """The config of the tiny config's training data."""
    config = load_config("swahr_tiny_synthetic").train_dataloader.dataset
    config.data_root = str(synthetic_data)
    return config


def test_the_training_pipeline_carries_two_resolutions(training_data):
    dataset = DATASETS.build(training_data)
    people = 0
    for packed in dataset:
        sample = packed["data_samples"]
        assert tuple(packed["inputs"].shape) == (3, 192, 192)
        masks = sample.gt_fields.heatmap_mask
        assert [tuple(mask.shape) for mask in masks] == [(1, 48, 48), (1, 96, 96)]
        labels = sample.gt_instance_labels
        centers = labels.keypoint_centers
        assert tuple(centers.shape) == (len(labels), 17, 2, 2)
        # the tag is read at the keypoint's map pixel
        inside = labels.keypoint_indices[..., 1] > 0
        x, y = centers[inside][:, 0].unbind(1)
        assert (labels.keypoint_indices[inside][:, 0] == y * 48 + x).all()
        people += len(labels)
    assert people > 0


def test_heatmaps_travel_where_the_codec_gives_them(training_data):
    (target_step,) = (step for step in training_data.pipeline if step.type == "GenerateTarget")
    target_step.encoder.encode_heatmaps = True
    for packed in DATASETS.build(training_data):
        sample = packed["data_samples"]
        shapes = [tuple(maps.shape) for maps in sample.gt_fields.heatmaps]
        assert shapes == [(17, 48, 48), (17, 96, 96)]
        for k, heatmap in enumerate(sample.gt_fields.heatmaps[0]):
            own = sample.gt_instance_labels.keypoint_indices[:, k]
            assert (heatmap.flatten()[own[own[:, 1] > 0, 0]] == 1).all()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            "BottomupCrowdPoseDataset",
            {},
            "all 1 people have 17 keypoints, and not 14. Describe these as `metainfo`",
        ),
        ("BottomupCocoWholeBodyDataset", dict(face_kpts=None), "`face_kpts` is None"),
        (
            "BottomupCocoWholeBodyDataset",
            dict(foot_kpts=[1.0, 1, 2] * 5),
            "`foot_kpts` is 15 numbers, and not 3 × 6",
        ),
    ],
)
def test_keypoints_of_another_dataset_are_named(tmp_path, kind, changes, message):
    person = annotation(**dict(HANDS_FEET_FACE, **changes))
    with pytest.raises(ValueError, match=message):
        dataset_of(tmp_path, [person], kind=kind)


def exchanged(names):
    """COCO's keypoints, with the eyes exchanged."""
    return [names[0], names[2], names[1], *names[3:]]


def test_keypoints_in_another_order_are_refused_by_dataset_and_metric(tmp_path):
    names = keypoint_names("coco")
    dataset = dataset_of(tmp_path, [annotation()], names=names)
    message = "keypoint 1 of `keypoints` is 'right_eye', and the dataset's is 'left_eye'"
    with pytest.raises(AnnotationFileError, match=message):
        dataset_of(tmp_path, [annotation()], names=exchanged(names))
    with pytest.raises(AnnotationFileError, match=message):
        dataset_of(tmp_path, [annotation()], names=exchanged(names), skip_broken=True)
    metric = METRICS.build(
        dict(type="BottomupCocoMetric", ann_file=str(tmp_path / "annotations.json"))
    )
    with pytest.raises(AnnotationFileError, match=message):
        metric.dataset_meta = dataset.metainfo


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda names: [name.replace("_", " ").title() for name in exchanged(names)], "Coco"),
        (lambda names: exchanged(names)[:-1], "Coco"),
        (lambda names: [*exchanged(names)[:-1], 17], "Coco"),
        (lambda names: "many", "Coco"),
        # of the body only
        (exchanged, "CocoWholeBody"),
    ],
)
def test_other_names_are_taken_in_the_order_of_the_file(tmp_path, change, kind):
    names, person = change(keypoint_names("coco")), annotation(**HANDS_FEET_FACE)
    assert len(dataset_of(tmp_path, [person], f"Bottomup{kind}Dataset", names=names)) == 1


@pytest.mark.parametrize(
    ("changes", "num_regions"),
    [
        (dict(num_keypoints=0), 0),
        (dict(bbox=[5000.0, 5000, 10, 10]), 0),
        (dict(bbox=[63.5, 5, 10, 10]), 0),
        # nothing of a person can be seen: CrowdPose's count, and masked as in the official code
        (dict(num_keypoints=0, keypoints=[10.0, 10, 1] * 17), 1),
        (dict(num_keypoints=17, keypoints=[0.0, 0, 0] * 17), 1),
    ],
)
def test_labelled_people_are_not_masked_for_a_wrong_count_or_box(tmp_path, changes, num_regions):
    dataset = dataset_of(tmp_path, [annotation(id=6), annotation(**changes)])
    info = dataset.get_data_info(0)
    assert len(info.get("invalid_segs", [])) == num_regions


def test_a_step_in_the_wrong_place_is_named(training_data):
    training_data.pipeline[3:5] = training_data.pipeline[4:2:-1]
    dataset = DATASETS.build(training_data)
    message = r"Image 1 of .*000000.jpg': `BottomupHeatmapMask` raised KeyError: 'heatmap_sizes'"
    with pytest.raises(ValueError, match=message):
        dataset[0]


@pytest.mark.parametrize("step", ["GetBBoxCenterScale", "TopdownAffine"])
def test_a_step_for_one_person_is_named(training_data, step):
    sizes = dict(input_size=(64, 64)) if step == "TopdownAffine" else {}
    training_data.pipeline.insert(1, dict(type=step, **sizes))
    with pytest.raises(ValueError, match=f"`{step}` in `pipeline` is for one person"):
        DATASETS.build(training_data)


def test_an_address_for_a_file_name_is_named(tmp_path):
    with pytest.raises(AnnotationFileError, match="is an address, 's3:"):
        dataset_of(tmp_path, [annotation()], images=[dict(IMAGES[0], file_name="s3://a/1.jpg")])


def test_training_says_how_many_images_it_leaves_out(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(bottomup_coco_dataset, "print_log", lambda text, *_: said.append(text))
    images = [*IMAGES, dict(IMAGES[0], id=2)]
    for test_mode, count in ((False, 1), (True, 2)):
        assert (
            len(dataset_of(tmp_path, [annotation()], images=images, test_mode=test_mode)) == count
        )
    (text,) = said
    assert "1 of 2 images have no annotations and are not trained on" in text


KEYPOINTS = {
    0: dict(name="nose"),
    1: dict(name="left", swap="right"),
    2: dict(name="right", swap="left"),
}
DESCRIPTION = dict(
    dataset_name="own",
    keypoint_info=KEYPOINTS,
    skeleton_info={0: dict(link=("left", "right"))},
    joint_weights=[1, 1, 1],
    sigmas=[0.1, 0.1, 0.1],
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(sigmas=None), "`sigmas` is missing"),
        (dict(skeleton_info=None), "`skeleton_info` is missing"),
        (dict(sigmas=[0.1] * 4), r"`sigmas` is \[0.1, 0.1, 0.1, 0.1\]. Give 3 above 0"),
        (dict(sigmas=[0.1, 0, -1]), r"`sigmas` is \[0.1, 0.0, -1.0\]. Give 3"),
        (dict(keypoint_info=dict(zip((1, 2, 3), KEYPOINTS.values()))), "an id is 1, 2, 3. Count 0"),
        (dict(keypoint_info=dict(zip((0, 2, 1), KEYPOINTS.values()))), "an id is 2, 1. Count 0"),
        (
            dict(keypoint_info={**KEYPOINTS, 2: dict(name="right")}),
            r"`swap` is \('left', 'right'\)",
        ),
        (
            dict(keypoint_info={**KEYPOINTS, 0: dict(name="nose", swap="n")}),
            r"`swap` is \('nose', 'n'\)",
        ),
        (
            dict(keypoint_info={**KEYPOINTS, 0: dict(name="left")}),
            "`name` is left, left. Give each",
        ),
        (dict(skeleton_info={0: dict(link=("left", "top"))}), r"`link` is \('left', 'top'\)"),
    ],
)
def test_a_wrong_description_is_named_by_dataset_and_tools(tmp_path, changes, message):
    wrong = dict(DESCRIPTION, **changes)
    with pytest.raises(ValueError, match=f"The description `metainfo`: {message}"):
        dataset_of(tmp_path, [], metainfo=wrong)
    path = tmp_path / "own.py"
    path.write_text(f"dataset_info = {wrong}")
    with pytest.raises(ValueError, match=f"own.py: {message}"):
        keypoint_names(str(path))


def test_descriptions_of_mmpose_and_of_ones_own_are_taken(tmp_path):
    person = annotation(keypoints=[10.0, 10, 2] * 3, num_keypoints=3)
    dataset = dataset_of(tmp_path, [person], metainfo=DESCRIPTION)
    assert dataset.metainfo["flip_indices"] == [0, 2, 1]
    for name in ("coco_aic", "deepfashion2", "300w"):
        assert len(keypoint_names(name)) > 18


def test_a_prefix_of_another_name_is_named(tmp_path):
    with pytest.raises(ValueError, match="`data_prefix` must have the key 'img'"):
        dataset_of(tmp_path, [annotation()], data_prefix=dict(image="images/"))
