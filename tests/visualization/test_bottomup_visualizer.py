"""MMPose's visualizer door: people by confidence."""

import itertools

import numpy as np
import pytest
from mmengine.structures import InstanceData
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


def changed(drawn):
    """How many pixels of each third of the picture are not the background's."""
    different = (drawn != 100).any(axis=-1)
    return [int(part.sum()) for part in np.array_split(different, 3, axis=1)]


def test_people_of_low_score_are_not_drawn(visualizer):
    drawn = visualizer().add_datasample("", IMAGE, sample([0.9, 0.1, 0.3]), draw_gt=False)
    sure, none, faint = changed(drawn)
    assert none == 0 < faint
    assert sure > 0
    assert (IMAGE == 100).all()
    everyone = visualizer(person_thr=0.05).add_datasample(
        "", IMAGE, sample([0.9, 0.1, 0.3]), draw_gt=False
    )
    assert min(changed(everyone)) > 0


def test_labels_are_drawn_beside(visualizer):
    drawn = visualizer().add_datasample("", IMAGE, sample([0.0, 0.0, 0.0]))
    assert drawn.shape == (80, 240, 3)
    assert min(changed(drawn[:, :120])) > 0  # labels have no scores
    assert changed(drawn[:, 120:]) == [0, 0, 0]


def test_lines_and_points_can_be_larger(visualizer):
    def area(**settings):
        made = visualizer()
        for name, value in settings.items():
            setattr(made, name, value)
        return sum(changed(made.add_datasample("", IMAGE, sample([0.9]), draw_gt=False)))

    assert area() < area(line_width=3)
    assert area() < area(radius=12)


def test_widths_are_drawn_where_they_are_asked_for(visualizer):
    one = sample([0.9], widths=6.0)
    plain, with_widths = (
        sum(changed(visualizer(draw_widths=draw).add_datasample("", IMAGE, one, draw_gt=False)))
        for draw in (False, True)
    )
    assert with_widths > 1.5 * plain
