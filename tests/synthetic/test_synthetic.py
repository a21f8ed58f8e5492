import json

import cv2
import numpy as np
import pytest

from swahr_mmpose.datasets.transforms.heatmap_mask import segmentations_to_mask
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset
from swahr_mmpose.synthetic.body import KEYPOINTS, random_pose
from swahr_mmpose.synthetic.dataset import generate_image
from swahr_mmpose.synthetic.scene import SceneOptions, random_scene


def drawn_scenes(num_images=30, **kwargs):
    options = SyntheticOptions(num_images, **kwargs)
    return [generate_image(options, index) for index in range(num_images)]


def test_the_same_seed_gives_the_same_files(tmp_path):
    paths = [
        generate_dataset(tmp_path / name, "train", SyntheticOptions(3, seed=seed))
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    ]
    contents = [path.read_text() for path in paths]
    assert contents[0] == contents[1] != contents[2]
    images = [(tmp_path / name / "images/train/000002.jpg").read_bytes() for name in "abc"]
    assert images[0] == images[1] != images[2]


def test_other_images_are_not_written_over(tmp_path):
    path = generate_dataset(tmp_path, "val", SyntheticOptions(3))
    content = path.read_text()
    generate_dataset(tmp_path, "val", SyntheticOptions(3))
    for options in (SyntheticOptions(2), SyntheticOptions(3, seed=1)):
        with pytest.raises(FileExistsError, match=r"val\.json. exists and holds other annotations"):
            generate_dataset(tmp_path, "val", options)
    assert path.read_text() == content
    path.write_text("[]")
    with pytest.raises(FileExistsError, match="Give another name, or delete it"):
        generate_dataset(tmp_path, "val", SyntheticOptions(3))


def test_an_image_does_not_depend_on_how_many_there_are():
    few, many = SyntheticOptions(2), SyntheticOptions(50)
    np.testing.assert_array_equal(generate_image(few, 1)[0], generate_image(many, 1)[0])


def test_annotations_are_those_of_coco():
    counts = dict(labelled=0, without_keypoints=0, crowd=0, v0=0, v1=0, v2=0)
    for image, annotations in drawn_scenes():
        h, w = image.shape[:2]
        for person in annotations:
            keypoints = np.reshape(person["keypoints"], (17, 3))
            visible = keypoints[:, 2]
            assert person["num_keypoints"] == (visible > 0).sum()
            labelled = keypoints[visible > 0]
            assert ((labelled[:, :2] >= 0) & (labelled[:, :2] < (w, h))).all()
            assert (keypoints[visible == 0] == 0).all()
            x, y, box_w, box_h = person["bbox"]
            assert 0 <= x <= x + box_w <= w
            assert 0 <= y <= y + box_h <= h
            mask = segmentations_to_mask([person["segmentation"]], (w, h))
            # polygons run through the pixels' centres, so thin parts lose or gain an edge
            assert mask.sum() == pytest.approx(person["area"], rel=0.5, abs=60)
            if person["iscrowd"]:
                assert mask.sum() == person["area"]
                counts["crowd"] += 1
            else:
                counts["labelled" if person["num_keypoints"] else "without_keypoints"] += 1
            for value in (0, 1, 2):
                counts[f"v{value}"] += int((visible == value).sum())
    assert all(counts.values()), counts


def test_statures_are_log_uniform():
    rng = np.random.default_rng(0)
    options = SceneOptions((384, 300), crowd_probability=0)
    statures = []
    for _ in range(100):
        for person in random_scene(rng, options).people:
            statures.append(np.sqrt(person.silhouette_area / 0.15) / 300)
    assert min(statures) >= 0.05 - 1e-9
    assert max(statures) <= 0.95 + 1e-9
    position = np.log(np.array(statures) / 0.05) / np.log(0.95 / 0.05)
    # 400 draws or so: a quarter each, to 3 deviations
    share = np.histogram(position, bins=4, range=(0, 1))[0] / len(position)
    np.testing.assert_allclose(share, 0.25, atol=0.07)


def test_seen_keypoints_lie_on_the_person():
    """A keypoint with visibility 2 is inside the person's own region."""
    inside, total = 0, 0
    for image, annotations in drawn_scenes(seed=3):
        for person in annotations:
            if person["iscrowd"] or not person["num_keypoints"]:
                continue
            mask = segmentations_to_mask([person["segmentation"]], image.shape[1::-1])
            mask = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3)))
            seen = np.reshape(person["keypoints"], (17, 3))
            for x, y, _ in seen[seen[:, 2] == 2]:
                inside += int(mask[int(y), int(x)])
                total += 1
    assert total > 100
    # holes in a region are not in its outline polygons
    assert inside / total > 0.99


def test_label_noise_grows_with_the_person():
    """In units of COCO's deviation, 2·σ·√area, the noise is what was asked for."""
    clean, noisy = drawn_scenes(60, seed=1), drawn_scenes(60, seed=1, label_noise=0.5)
    sigma = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1e3
    deviations = []
    for (_, before), (_, after) in zip(clean, noisy):
        for a, b in zip(before, after):
            first, second = (np.reshape(p["keypoints"], (17, 3)) for p in (a, b))
            labelled = first[:, 2] > 0
            unit = 2 * sigma * np.sqrt(a["area"])
            deviations.append(((second - first)[:, :2] / unit[:, None])[labelled].ravel())
    # places are kept inside the image and rounded, which takes a little of it
    assert np.concatenate(deviations).std() == pytest.approx(0.5, rel=0.15)


def test_left_and_right_are_told_apart_by_the_view():
    rng = np.random.default_rng(0)
    left, right = KEYPOINTS.index("left_shoulder"), KEYPOINTS.index("right_shoulder")
    for _ in range(50):
        pose = random_pose(rng)
        assert (pose.joints[left, 0] > pose.joints[right, 0]) != pose.faces_away


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(num_images=0), "`num_images` must be at least 1"),
        (dict(num_images=1, long_side=10), "`long_side` must be at least 64"),
        (dict(num_images=1, label_noise=-1), "`label_noise` must be a finite number of at least 0"),
        (dict(num_images=1, label_noise=float("nan")), "`label_noise` must be a finite number"),
        (dict(num_images=1, label_noise=float("inf")), "`label_noise` must be a finite number"),
        (dict(num_images=1, seed=-1), "`seed` must be at least 0"),
    ],
)
def test_wrong_options_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SyntheticOptions(**kwargs)


def test_files_are_a_coco_dataset(synthetic_data):
    content = json.loads((synthetic_data / "annotations" / "val.json").read_text())
    assert len(content["images"]) == 8
    assert content["categories"][0]["keypoints"] == list(KEYPOINTS)
    ids = [annotation["id"] for annotation in content["annotations"]]
    assert len(set(ids)) == len(ids)
    for image in content["images"]:
        loaded = cv2.imread(str(synthetic_data / "images" / "val" / image["file_name"]))
        assert loaded.shape == (image["height"], image["width"], 3)
