import json

import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, METRICS
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from swahr_mmpose.evaluation import bottomup_coco_metric

from ..helpers import figures_of, load_config, metric_for, sample_of_people

NOBODY = np.zeros((0, 17, 2)), np.zeros(0)


@pytest.fixture
def ann_file(synthetic_data):
    return synthetic_data / "annotations" / "val.json"


@pytest.fixture
def metric(ann_file):
    return metric_for(ann_file)


@pytest.fixture
def labelled(ann_file):
    """Keypoints of the labelled people of each image, (N, 17, 2), by its id."""
    content = json.loads(ann_file.read_text())
    people = {image["id"]: [] for image in content["images"]}
    for person in content["annotations"]:
        if person["num_keypoints"]:
            people[person["image_id"]].append(person["keypoints"])
    return {image: np.reshape(own, (-1, 17, 3))[..., :2] for image, own in people.items()}


def test_the_ground_truth_has_ap_1(metric, labelled):
    """In the images that were tested, as with `indices` of the dataset."""
    with_people = [(image, people) for image, people in labelled.items() if len(people)]
    for tested in (with_people[:2], with_people, labelled.items()):
        assert figures_of(metric, tested)["coco/AP"] == pytest.approx(1.0)


@pytest.mark.parametrize("count", [0, 1, 99])
def test_counts_of_the_file_are_evaluated_as_coco_does(ann_file, tmp_path, labelled, count):
    """COCO ignores people of whom the file counts no keypoints, labelled or not."""
    content = json.loads(ann_file.read_text())
    for person in content["annotations"][::2]:
        person["num_keypoints"] = count
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content))
    rng = np.random.default_rng(0)
    found = [(image, own + rng.normal(0, 2, own.shape)) for image, own in labelled.items()]
    coco = COCO(str(path))
    results = [
        dict(image_id=i, category_id=1, keypoints=np.insert(own, 2, 1, 1).ravel(), score=1.0)
        for i, people in found
        for own in people
    ]
    evaluation = COCOeval(coco, coco.loadRes(results), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert 0 < evaluation.stats[0] < 1
    assert figures_of(metric_for(path), found)["coco/AP"] == evaluation.stats[0]


def test_no_one_found_anywhere_is_ap_0(metric, labelled):
    result = figures_of(metric, [(image, *NOBODY) for image in labelled])
    assert result["coco/AP"] == 0
    assert set(result) >= {"coco/AP .5", "coco/AP (M)", "coco/AR (L)"}


def test_people_are_ranked_by_their_instance_score(metric, labelled):
    """A wrong person of low score costs nothing, one of high score does."""
    results = []
    for wrong_score in (0.1, 0.9):
        found = [
            (image, np.concatenate([people, np.ones((1, 17, 2))]), [0.5] * len(people))
            for image, people in labelled.items()
        ]
        found = [(*own, np.array([*scores, wrong_score])) for *own, scores in found]
        results.append(figures_of(metric, found)["coco/AP"])
    assert results[0] == pytest.approx(1.0)
    assert results[1] < 0.9


def test_results_for_a_server_without_annotations(ann_file, synthetic_data, tmp_path):
    """As for COCO's test-dev: images only, and the file of results is all that is wanted."""
    content = json.loads(ann_file.read_text())
    del content["annotations"]
    infos = tmp_path / "image_info.json"
    infos.write_text(json.dumps(content))
    dataset_config = load_config("swahr_tiny_synthetic").test_dataloader.dataset
    dataset_config.update(
        ann_file=str(infos), data_root="", data_prefix=dict(img=f"{synthetic_data}/images/val/")
    )
    dataset = DATASETS.build(dataset_config)
    assert len(dataset) == 8
    metric = METRICS.build(
        dict(type="BottomupCocoMetric", format_only=True, outfile_prefix=str(tmp_path / "results"))
    )
    metric.dataset_meta = dataset.metainfo
    for packed in dataset:
        sample = packed["data_samples"]
        sample.pred_instances = InstanceData(
            keypoints=np.arange(34.0).reshape(1, 17, 2),
            keypoint_scores=np.ones((1, 17)),
            bboxes=np.zeros((1, 4)),
            bbox_scores=np.array([0.5]),
        )
        metric.process(None, [sample.to_dict()])
    assert metric.evaluate(8) == {}
    results = json.loads((tmp_path / "results.keypoints.json").read_text())
    assert len(results) == 8
    assert results[0]["category_id"] == 1
    assert results[0]["score"] == 0.5
    assert results[0]["keypoints"][:3] == [0, 1, 1]
    assert {result["image_id"] for result in results} == {i["id"] for i in content["images"]}


@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize("from_file", [True, False])
def test_the_whole_body(tmp_path, found, from_file):
    """The ground truth has AP 1; an image without people, or no one found, stops nothing."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(0, 200, (133, 2)), np.full((133, 1), 2)], axis=1)
    parts = np.split(points, np.cumsum([17, 6, 68, 21]))
    fields = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
    annotation = dict(
        id=1, image_id=1, category_id=1, bbox=[0, 0, 200, 200], area=40000.0, iscrowd=0,
        num_keypoints=17, segmentation=[],
        **{field: part.reshape(-1).tolist() for field, part in zip(fields, parts)},
    )  # fmt: skip
    for field in ("foot", "face", "lefthand", "righthand"):
        annotation[f"{field}_valid"] = True
    path = tmp_path / "wholebody.json"
    images = [dict(id=i, file_name=f"{i}.jpg", width=200, height=200) for i in (1, 2)]
    categories = [dict(id=1, name="person", keypoints=["nose"], skeleton=[])]
    content = dict(images=images, annotations=[annotation], categories=categories)
    path.write_text(json.dumps(content))
    dataset_config = dict(type="BottomupCocoWholeBodyDataset", ann_file=str(path), test_mode=True)
    dataset = DATASETS.build(dataset_config)
    metric = METRICS.build(
        dict(type="BottomupCocoWholeBodyMetric", ann_file=str(path) if from_file else None)
    )
    metric.dataset_meta = dataset.metainfo
    samples = []
    for info in (dataset.get_data_info(0), dataset.get_data_info(1)):
        people = points[None, :, :2] if found and info["img_id"] == 1 else np.zeros((0, 133, 2))
        sample = sample_of_people(info["img_id"], people, np.ones(len(people)))
        sample.update(ori_shape=(200, 200), raw_ann_info=info["raw_ann_info"])
        samples.append(sample)
    metric.process(None, samples)
    assert metric.evaluate(2)["coco-wholebody/AP"] == pytest.approx(float(found))


@pytest.mark.parametrize(
    ("image_ids", "message"),
    [
        ([99], "1 of the tested images, first 99, are not in the metric's annotation file"),
        ([1, 1], "Image 1 was tested more than once"),
    ],
)
def test_images_of_another_file_are_named(metric, image_ids, message):
    with pytest.raises(ValueError, match=message):
        figures_of(metric, [(image_id, *NOBODY) for image_id in image_ids])


def test_other_keypoints_than_the_datasets_are_named(metric):
    with pytest.raises(ValueError, match=r"finds 14 keypoints .* 'coco' has 17"):
        figures_of(metric, [(1, np.zeros((0, 14, 2)))])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["keypoints", "keypoint_scores", "bbox_scores"])
def test_people_without_finite_numbers_are_named(metric, name, value):
    sample = sample_of_people(1, np.ones((2, 17, 2)), np.ones(2))
    sample["pred_instances"][name].flat[1] = value
    with pytest.raises(ValueError, match=f"found in image 1 have NaN or infinity in `{name}`"):
        metric.process(None, [sample])


def test_a_metric_without_labels_is_named(metric):
    metric.process(None, [sample_of_people(1, *NOBODY)])
    metric.coco = None
    with pytest.raises(ValueError, match="Set `test_mode=True` on the dataset, or `ann_file`"):
        metric.evaluate(1)


@pytest.mark.parametrize(
    ("kind", "iou_type"),
    [
        ("BottomupCocoMetric", "bbox"),
        ("BottomupCocoMetric", "foo"),
        ("BottomupCocoWholeBodyMetric", "keypoints_crowd"),
    ],
)
def test_other_ways_of_comparing_are_named(kind, iou_type):
    with pytest.raises(ValueError, match=f"`iou_type` must be one of .* is '{iou_type}'"):
        METRICS.build(dict(type=kind, iou_type=iou_type))


def test_figures_without_labels_are_explained(ann_file, labelled, tmp_path, monkeypatch):
    content = json.loads(ann_file.read_text())
    path = tmp_path / "unlabelled.json"
    path.write_text(json.dumps(dict(content, annotations=[])))
    said = []
    monkeypatch.setattr(bottomup_coco_metric, "print_log", lambda text, **_: said.append(text))
    found = [(image, people, np.ones(len(people))) for image, people in labelled.items()]
    assert figures_of(metric_for(path), found)["coco/AP"] == -1
    assert said[-1].startswith("AP, AP .5")
    assert "−1: no one is labelled" in said[-1]
