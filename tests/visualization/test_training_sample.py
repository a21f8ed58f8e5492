"""An image after the training pipeline, with its targets."""

import numpy as np
import pytest

from swahr_mmpose.visualization.overlays import draw_heatmap
from swahr_mmpose.visualization.people_drawing import PERSON_COLORS
from swahr_mmpose.visualization.training_sample import draw_training_sample

SIDE = 400  # nothing is enlarged


def panels(masks=None, people=1):
    """The panels below their titles, of a grey image with keypoints on a row."""
    targets = [np.zeros((2, SIDE // stride, SIDE // stride), np.float32) for stride in (4, 2)]
    indices = np.zeros((people, 2, 2), np.int64)
    for person in range(people):
        for k in range(2):
            column, row = 20 + 40 * k, 30 + 20 * person
            indices[person, k] = row * 100 + column, 1
            targets[0][k, row, column] = 1
            targets[1][k, 2 * row, 2 * column] = 1
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    drawn = draw_training_sample(image, indices, targets, masks, [(0, 1)])
    height, width = (side // 2 for side in drawn.shape[:2])
    found = [
        drawn[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row in (0, 1)
        for column in (0, 1)
    ]
    return [panel[-SIDE - 1 : -1, 1:-1] for panel in found], image, targets


def test_people_targets_and_cells_lie_in_the_same_places():
    (people, coarse, fine, cells), image, targets = panels()
    for x in (82, 242):
        assert (people[122, x] != 100).any()
        for target in (coarse, fine):
            assert target[119:126, x - 3 : x + 4].sum(axis=-1).max() > 300
        assert (cells[122, x] == PERSON_COLORS[0][::-1]).all()
    assert (people[122, 160] != 100).any()  # the line between both
    assert (coarse == draw_heatmap(image, targets[0])).all()
    # one pixel at stride 4
    assert (cells == np.array(PERSON_COLORS[0][::-1])).all(axis=-1).sum() == 2 * 4 * 4


def test_people_have_different_colours():
    (*_, cells), _, _ = panels(people=2)
    assert (cells[122, 82] == PERSON_COLORS[0][::-1]).all()
    assert (cells[202, 82] == PERSON_COLORS[1][::-1]).all()


def test_what_does_not_count_is_striped():
    masks = [np.ones((SIDE // stride, SIDE // stride), bool) for stride in (4, 2)]
    masks[1][:, 150:] = False
    (people, *_), _, _ = panels(masks)
    striped = (people != 100).any(axis=-1)
    assert 0.3 < striped[200:, 300:].mean() < 0.7
    assert not striped[200:, :300].any()


@pytest.mark.parametrize("side", [128, 2048])
def test_images_of_any_size_without_people(side):
    targets = [np.zeros((2, side // stride, side // stride), np.float32) for stride in (4, 2)]
    image = np.zeros((side, side, 3), np.uint8)
    drawn = draw_training_sample(image, np.zeros((0, 2, 2)), targets, None, [(0, 1)])
    assert min(drawn.shape[:2]) >= 2 * max(side, 400)
