"""People drawn into an image."""

import numpy as np
import pytest

from swahr_mmpose.visualization import draw_people

SKELETON = [(0, 1)]


def draw(points, scores, person=1.0, size=(60, 80), **kwargs):
    """One person on black."""
    image = np.zeros((*size, 3), np.uint8)
    arrays = np.array([points], float), np.array([scores], float), np.array([person], float)
    return draw_people(image, *arrays, SKELETON, **kwargs)


def test_limbs_lie_between_keypoints_and_the_image_is_copied():
    image = np.zeros((60, 80, 3), np.uint8)
    people = np.array([[[10.0, 30], [70, 30]]]), np.ones((1, 2)), np.ones(1)
    drawn = draw_people(image, *people, SKELETON)
    assert not image.any()
    assert drawn[30, 40].any()
    rows, columns = np.nonzero(drawn.any(axis=-1))
    assert rows.min() > 25
    assert rows.max() < 35
    assert columns.min() >= 5
    assert columns.max() <= 75


def test_the_surer_the_more_opaque():
    sums = [int(draw([[10, 30], [70, 30]], [s, s])[28:33, 30:50].sum()) for s in (0.3, 0.6, 0.9)]
    assert 0 < sums[0] < sums[1] < sums[2]


@pytest.mark.parametrize(
    ("scores", "person", "expected"),
    [((0.9, 0.9), 0.2, 0), ((0.1, 0.1), 0.9, 0), ((0.9, 0.1), 0.9, 1), ((0.9, 0.9), 0.9, 2)],
)
def test_what_is_unsure_is_left_out(scores, person, expected):
    drawn = draw([[10, 30], [70, 30]], scores, person)
    ends = [drawn[28:33, 8:13].any(), drawn[28:33, 68:73].any()]
    assert sum(ends) == expected
    assert drawn[30, 40].any() == (expected == 2)


def test_widths_are_circles_of_their_size():
    drawn = draw([[20, 30], [60, 30]], [1, 1], widths=np.array([[4.0, 12.0]]))
    for x, radius in ((20, 4), (60, 12)):
        column = np.flatnonzero(drawn[:, x].any(axis=-1))
        # the outline has a white rim of a pixel
        assert column.min() == pytest.approx(30 - radius, abs=2)
        assert column.max() == pytest.approx(30 + radius, abs=2)


def test_zoom_makes_the_image_larger():
    drawn = draw([[10, 30], [70, 30]], [1, 1], zoom=3)
    assert drawn.shape == (180, 240, 3)
    assert drawn[91, 120].any()


@pytest.mark.parametrize("place", [(-500.0, -500.0), (79.9, 59.9), (1e6, 1e6)])
def test_places_outside_the_image(place):
    assert draw([place, place], [1, 1]).shape == (60, 80, 3)


def test_no_one():
    empty = np.zeros((0, 2, 2)), np.zeros((0, 2)), np.zeros(0)
    assert not draw_people(np.zeros((8, 8, 3), np.uint8), *empty, SKELETON).any()
