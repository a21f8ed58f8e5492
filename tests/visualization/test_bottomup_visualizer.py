"""MMPose's visualizer door: people by confidence."""

import itertools
from unittest import mock

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import VISUALIZERS
from mmpose.structures import PoseDataSample

from ..helpers import dataset_meta, load_config

COUNT = itertools.count()


@pytest.fixture
def visualizer():
    def make(**arguments):
        # MMEngine keeps one for each name
        name = f"test_visualizer_{next(COUNT)}"
        made = VISUALIZERS.build(dict(type="BottomupVisualizer", name=name, **arguments))
        made.set_dataset_meta(dataset_meta(load_config("swahr_tiny_synthetic")))
        return made

    return make


def sample(scores, widths=None):
    """People side by side, 60 pixels tall."""
    one = np.stack([np.linspace(5, 25, 17), np.linspace(10, 70, 17)], axis=-1)
    keypoints = np.stack([one + [40 * index, 0] for index in range(len(scores))])
    people = InstanceData(
        keypoints=keypoints,
        keypoint_scores=np.full((len(scores), 17), 0.9),
        bbox_scores=np.array(scores),
        bboxes=np.zeros((len(scores), 4)),
    )
    if widths is not None:
        people.keypoint_widths = np.full((len(scores), 17), float(widths))
    data_sample = PoseDataSample()
    data_sample.pred_instances = people
    data_sample.gt_instances = InstanceData(
        keypoints=keypoints, keypoints_visible=np.ones(keypoints.shape[:2])
    )
    return data_sample


IMAGE = np.full((80, 120, 3), 100, np.uint8)


def draw(visualizer, one, **options):
    """What was found alone."""
    return visualizer.add_datasample("", IMAGE, one, draw_gt=False, **options)


def changed(drawn):
    """How many pixels of each third of the image are not the background's."""
    different = (drawn != 100).any(axis=-1)
    return [int(part.sum()) for part in np.array_split(different, 3, axis=1)]


def test_people_of_low_score_are_not_drawn(visualizer):
    drawn = draw(visualizer(), sample([0.9, 0.1, 0.3]))
    sure, none, faint = changed(drawn)
    assert none == 0 < faint
    assert sure > 0
    assert (IMAGE == 100).all()
    everyone = draw(visualizer(person_thr=0.05), sample([0.9, 0.1, 0.3]))
    assert min(changed(everyone)) > 0


def test_labels_are_drawn_beside(visualizer):
    drawn = visualizer().add_datasample("", IMAGE, sample([0.0, 0.0, 0.0]))
    assert drawn.shape == (80, 240, 3)
    assert min(changed(drawn[:, :120])) > 0  # labels have no scores
    assert changed(drawn[:, 120:]) == [0, 0, 0]
    made = visualizer(maps=["heatmaps", "tags"])
    drawn = made.add_datasample("", IMAGE, with_maps(sample([0.9])), draw_heatmap=True)
    assert drawn.shape == (240, 240, 3)
    assert (drawn[80:, :120] == 100).all()


def test_lines_and_points_can_be_larger(visualizer):
    def area(**settings):
        made = visualizer()
        for name, value in settings.items():
            setattr(made, name, value)
        return sum(changed(draw(made, sample([0.9]))))

    assert area() < area(line_width=3)
    assert area() < area(radius=12)


def test_widths_are_drawn_where_they_are_asked_for(visualizer):
    one = sample([0.9], widths=6.0)
    plain, with_widths = (
        sum(changed(draw(visualizer(draw_widths=shown), one))) for shown in (False, True)
    )
    assert with_widths > 1.5 * plain


def with_maps(data_sample, *, scales=True):
    """Maps of a network input that shows the image of 120×80 and 120×40 of border below."""
    heatmaps = torch.zeros(17, 60, 60)
    heatmaps[:, 5:35, 2:13] = 0.8  # where the first person is
    fields = dict(heatmaps=heatmaps, tags=torch.zeros(17, 60, 60))
    if scales:
        fields["scales"] = torch.full((17, 60, 60), 0.5)
    data_sample.pred_fields = PixelData(**fields)
    data_sample.set_metainfo(
        dict(input_center=np.array([60.0, 60.0]), input_scale=np.array([120.0, 120.0]))
    )
    return data_sample


def rows_of(drawn):
    assert drawn.shape[0] % 80 == 0
    return np.split(drawn, drawn.shape[0] // 80)


@pytest.mark.parametrize("maps", [["heatmaps"], ["tags"], ["scales"], ["tags", "heatmaps"]])
def test_maps_follow_below_the_people(visualizer, maps):
    one = with_maps(sample([0.9]))
    made = visualizer(maps=maps)
    people, *rows = rows_of(draw(made, one, draw_heatmap=True))
    assert (people == draw(made, one)).all()
    assert len(rows) == len(maps)
    for row in rows:
        # maps of 60 pixels lie where the person is, at most 26 by 70 of 120 by 80
        coloured = row.max(axis=-1) > 60
        assert coloured[20:60, 8:22].mean() > 0.95
        assert not coloured[:60, 40:].any()
    # each has its own colours
    assert len({row.tobytes() for row in rows}) == len(rows)


def test_tags_have_the_colours_of_people(visualizer):
    made = visualizer(maps=["tags"])
    _, row = rows_of(draw(made, with_maps(sample([0.9])), draw_heatmap=True))
    assert np.ptp(row[40, 15].astype(int)) > 100
    # who is not drawn owns no pixels
    _, row = rows_of(draw(made, with_maps(sample([0.1])), draw_heatmap=True))
    assert np.ptp(row[40, 15].astype(int)) < 10


def test_maps_at_the_images_size_are_laid_as_they_are(visualizer):
    """MMPose's own hook brings heatmaps to the image before."""
    one = with_maps(sample([0.9]))
    heatmaps = np.zeros((17, 80, 120), np.float32)
    heatmaps[:, 10:20, 100:110] = 1
    one.pred_fields = PixelData(heatmaps=heatmaps)
    _, row = rows_of(draw(visualizer(), one, draw_heatmap=True))
    coloured = row.max(axis=-1) > 60
    assert coloured[10:20, 100:110].all()
    assert coloured.sum() == 100


def test_maps_that_are_not_there_are_named(visualizer):
    one = with_maps(sample([0.9]), scales=False)
    with pytest.raises(ValueError, match="output_scales=True"):
        visualizer(maps=["scales"]).add_datasample("", IMAGE, one, draw_heatmap=True)
    with pytest.raises(ValueError, match="'alpha'"):
        visualizer(maps=["alpha"])
    with pytest.raises(ValueError, match="list of"):
        visualizer(maps="tags")


def test_boxes_are_those_of_the_people_who_are_drawn(visualizer):
    people = sample([0.9, 0.1, 0.3])
    people.pred_instances.bboxes = np.array([[2.0 + 40 * k, 5, 35 + 40 * k, 75] for k in range(3)])
    made = visualizer()
    made.set_dataset_meta({**made.dataset_meta, "skeleton_links": []})
    without, boxes = (draw(made, people, draw_bbox=shown) for shown in (False, True))
    more = [b - a for a, b in zip(changed(without), changed(boxes))]
    assert more[1] == 0
    assert min(more[0], more[2]) > 100
    assert (boxes[40, 2] != 100).any()
    assert (boxes[40, 82] != 100).any()


def test_files_and_backends(visualizer, tmp_path):
    made = visualizer(vis_backends=[dict(type="LocalVisBackend", save_dir=str(tmp_path))])
    made.add_datasample("one", IMAGE, sample([0.9]), step=7)
    assert (tmp_path / "vis_image/one_7.png").is_file()
    drawn = made.add_datasample("two", IMAGE, sample([0.9]), out_file=str(tmp_path / "two.png"))
    assert (cv2.imread(str(tmp_path / "two.png"))[..., ::-1] == drawn).all()
    assert not (tmp_path / "vis_image/two_0.png").exists()


@pytest.mark.parametrize("display", [None, ":0"])
def test_a_missing_window_is_said(visualizer, monkeypatch, display):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
        error = cv2.error("The function is not implemented. Rebuild the library with Windows")
        monkeypatch.setattr(cv2, "namedWindow", mock.Mock(side_effect=error))
    with pytest.raises(RuntimeError, match="`show=True` asks for a window"):
        visualizer().show(np.zeros((8, 8, 3), np.uint8))
