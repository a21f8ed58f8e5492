"""The page that says where AP is lost."""

import base64
import re

import cv2
import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from xtcocotools.coco import COCO

from swahr_mmpose.analysis.breakdown import Description, image_people
from swahr_mmpose.analysis.per_image_ap import FoundPeople
from swahr_mmpose.analysis.report import analysis_page
from swahr_mmpose.datasets.metainfo import description_file
from swahr_mmpose.images.files import ImageError
from swahr_mmpose.visualization.people_drawing import PERSON_COLORS

PLACES = np.stack([np.linspace(20, 60, 17), np.linspace(20, 140, 17)], axis=-1)


@pytest.fixture(scope="module")
def meta():
    return parse_pose_metainfo(dict(from_file=description_file("coco")))


@pytest.fixture
def page(meta, tmp_path):
    """A page about two labelled people side by side, with ids from 0, and who is found."""
    cv2.imwrite(str(tmp_path / "a<b.png"), np.full((160, 240, 3), 100, np.uint8))

    def person(number):
        labels = np.column_stack([PLACES + [100 * number, 0], np.full(17, 2)])
        box = [20, 20, 40, 120]
        return dict(id=number, image_id=7, category_id=1, keypoints=labels.ravel().tolist(),
                    num_keypoints=17, area=4800.0, bbox=box, iscrowd=0)  # fmt: skip

    annotations = COCO()
    annotations.dataset = dict(
        images=[dict(id=7, file_name="a<b.png", width=240, height=160)],
        annotations=[person(1), person(0)],
        categories=[dict(id=1, name="person")],
    )
    annotations.createIndex()

    def make(places, scores, keypoint_scores=1.0):
        people = FoundPeople(np.array(places).reshape(-1, 17, 2), np.array(scores))
        description = Description(meta["sigmas"], meta["flip_indices"])
        images = image_people(annotations, {7: people}, description)
        sure = {7: np.full((len(scores), 17), keypoint_scores)}
        return analysis_page("results.json", annotations, images, sure, meta, tmp_path, [7])

    return make


def found_side(text):
    """The drawn image of found people."""
    content = re.search(r'alt="found people" src="data:image/jpeg;base64,([^"]+)"', text).group(1)
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)


def test_figures_of_people_who_are_all_found(page):
    text = page([PLACES, PLACES + [100, 0]], [0.8, 0.9])
    assert "<h1>results.json: AP 1.000</h1>" in text
    assert "Images: 1 of 1. Without a found person: 0. Labelled people: 2, found: 2." in text
    for row in (["all", "2", "1.000"], ["medium", "2", "1.000"], ["large", "0", "–"]):
        assert "".join(f"<td>{cell}</td>" for cell in row) in text
    assert "a&lt;b.png" in text
    assert "2 found, 0 missed, 0 background, 0 duplicate" in text


def test_found_people_have_the_colours_of_the_labelled_ones(page):
    # the second labelled person stands on the left
    drawn = found_side(page([PLACES], [0.9]))
    column = drawn[70:90, 20:70].reshape(-1, 3).astype(int)
    distances = [np.abs(column - color).sum(axis=1).min() for color in PERSON_COLORS[:2]]
    assert distances[1] < 60 < distances[0]


@pytest.mark.parametrize(("score", "keypoint_score"), [(0.25, 1.0), (0.9, 0.15)])
def test_what_is_unsure_is_not_drawn(page, score, keypoint_score):
    drawn = found_side(page([PLACES], [score], keypoint_score)).astype(int)
    assert np.abs(drawn - 100).max() < 20


def test_no_one_is_found(page):
    text = page([], [])
    assert "AP 0.000" in text
    assert "0 found, 2 missed" in text


def test_a_missing_image_is_named(page, tmp_path):
    (tmp_path / "a<b.png").unlink()
    with pytest.raises(ImageError, match=r"a<b\.png.*No such file"):
        page([PLACES], [0.9])
