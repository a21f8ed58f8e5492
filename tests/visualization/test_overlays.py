"""Maps laid over images."""

import colorsys

import numpy as np
import pytest

from swahr_mmpose.visualization import draw_heatmap, draw_scale_map, draw_tag_map, image_to_map
from swahr_mmpose.visualization.people_drawing import PERSON_COLORS

K, SIZE = 3, (40, 60)


def grey(size=SIZE):
    return np.full((*size, 3), 100, np.uint8)


def peak(x, y, size=SIZE, k=0, width=4.0):
    """One keypoint's Gaussian among K maps."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    maps = np.zeros((K, *size), np.float32)
    maps[k] = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))
    return maps


def hue(pixel):
    return colorsys.rgb_to_hsv(*(np.asarray(pixel) / 255))[0]


def saturation(pixel):
    return colorsys.rgb_to_hsv(*(np.asarray(pixel) / 255))[1]


def coloured(drawn):
    return np.ptp(drawn.astype(int), axis=-1) > 10


def test_heatmaps_are_bright_at_their_peaks_and_the_image_is_copied():
    image = grey()
    drawn = draw_heatmap(image, np.maximum(peak(10, 20), peak(45, 20, k=2)))
    assert (image == 100).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    for x in (10, 45):
        assert drawn[20, x].sum() > drawn[20, x + 6].sum() > 0
    assert not coloured(drawn)[:, 25:30].any()


@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_maps_of_another_size_are_stretched_over_the_image(factor):
    image = grey((int(40 * factor), int(60 * factor)))
    drawn = draw_heatmap(image, peak(10, 20)).sum(axis=-1)
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert (x + 0.5) / factor == pytest.approx(10.5, abs=1)
    assert (y + 0.5) / factor == pytest.approx(20.5, abs=1)


def test_maps_lie_where_the_network_saw_the_image():
    """The maps show 120×80 pixels around the middle of an image of 60×40: half is border."""
    to_map = image_to_map(SIZE, np.array([30, 20]), np.array([120, 80]))
    drawn = draw_heatmap(grey(), peak(30, 20, width=2.0), to_map).sum(axis=-1)
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    # the centre of the maps' pixel (30, 20)
    assert (x, y) == (pytest.approx(31, abs=0.6), pytest.approx(21, abs=0.6))


def tag_map(**kwargs):
    """Two people, one keypoint each; a third pixel region whose tag is no one's."""
    heatmaps = np.maximum.reduce([peak(10, 20), peak(30, 20), peak(50, 20)])
    tags = np.zeros((2 * K, *SIZE), np.float32)
    for left, value in ((0, 0.0), (20, 5.0), (40, 20.0)):
        tags[:, :, left : left + 20] = value
    people = dict(
        keypoints=np.array([[[10.0, 20]] * K, [[30.0, 20]] * K]),
        keypoint_scores=np.array([[1.0, 0, 0]] * 2),
        person_scores=np.array([0.9, 0.8]),
    )
    return draw_tag_map(grey(), tags, heatmaps, **{**people, **kwargs})


def test_pixels_have_the_colour_of_the_person_whose_tag_is_nearest():
    drawn = tag_map()
    for person, x in enumerate((10, 30)):
        color = PERSON_COLORS[person][::-1]
        assert hue(drawn[20, x]) == pytest.approx(hue(color), abs=0.02)
        # also beside the peak, up to the border between both tags
        assert hue(drawn[20, x + 5]) == pytest.approx(hue(color), abs=0.02)
    assert saturation(drawn[20, 50]) < 0.05
    assert drawn[20, 50].min() > 200


def test_people_who_are_not_drawn_own_no_pixels():
    drawn = tag_map(person_scores=np.array([0.9, 0.1]))
    assert saturation(drawn[20, 10]) > 0.5
    assert saturation(drawn[20, 30]) < 0.05
    none = tag_map(keypoint_scores=np.full((2, K), 0.1))
    assert not coloured(none).any()


def test_no_one():
    empty = np.zeros((0, K, 2)), np.zeros((0, K)), np.zeros(0)
    drawn = draw_tag_map(grey(), np.zeros((K, *SIZE)), np.zeros((K, *SIZE)), *empty)
    assert not coloured(drawn).any()


def test_scales_are_blue_where_narrow_and_orange_where_wide():
    heatmaps = np.maximum(peak(10, 20), peak(45, 20))
    scales = np.zeros((K, *SIZE), np.float32)
    scales[0, :, :30], scales[0, :, 30:] = 0.5, -0.3
    scales[1] = 9.0  # of a keypoint that is nowhere
    drawn = draw_scale_map(grey(), scales, heatmaps)
    assert drawn[20, 10, 2] > drawn[20, 10, 0] + 50
    assert drawn[20, 45, 0] > drawn[20, 45, 2] + 50


@pytest.mark.parametrize("size", [(4, 6), (40, 60), (96, 128), (1500, 2000)])
def test_images_of_any_size(size):
    drawn = draw_scale_map(grey(size), np.zeros((K, *SIZE)), np.zeros((K, *SIZE)))
    assert drawn.shape == (*size, 3)
    # the bar is there where it fits, and leaves most of the image
    bar = np.ptp(drawn.astype(int), axis=-1) > 50
    assert bar.any() == (size[1] > 100)
    assert bar.mean() < 0.05
