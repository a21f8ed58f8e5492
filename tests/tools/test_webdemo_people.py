"""People for several users of one network, and what each of them wants drawn."""

import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.synthetic import SyntheticOptions
from swahr_mmpose.synthetic.dataset import generate_image

from ..helpers import ROOT, write_video

sys.path.insert(0, str(ROOT / "tools"))
from webdemo_people import PeopleFinder, Wish

OPTIONS = SyntheticOptions(num_images=2, seed=3, long_side=320)


def drawn_images():
    """Two drawn images."""
    return [generate_image(OPTIONS, index)[0] for index in range(2)]


def tiny_finder():
    return PeopleFinder(BottomupInferencer("swahr_tiny_synthetic", device="cpu", widths=True))


images = pytest.fixture(scope="module")(drawn_images)
finder = pytest.fixture(scope="module")(tiny_finder)


def people_in(finder, image, **wish):
    return finder.find(image, Wish(**wish)).pred_instances


def test_thresholds_change_who_is_found(finder, images):
    all_people = people_in(finder, images[0], min_score=0.0, nms_thr=1.0)
    sure = people_in(finder, images[0], min_score=0.5, nms_thr=1.0)
    apart = people_in(finder, images[0], min_score=0.0, nms_thr=0.05)
    assert 0 < len(sure) < len(all_people)
    assert (sure.bbox_scores >= 0.5).all()
    assert len(apart) < len(all_people)


def test_each_view_is_another_image(finder, images):
    assert finder.views == ("People", "Heatmap", "Tags", "Keypoint widths", "Scales")
    sample = finder.find(images[0], Wish())
    drawn = [finder.draw(images[0], sample, Wish(view=view)) for view in finder.views]
    for index, one in enumerate(drawn):
        assert one.shape == images[0].shape
        assert one.dtype == np.uint8
        assert all((one != other).any() for other in [images[0], *drawn[:index]])
    with pytest.raises(ValueError, match="`view` must be one of People"):
        finder.draw(images[0], sample, Wish(view="Depth"))


def test_keypoints_of_low_score_are_not_drawn(finder, images):
    sample = finder.find(images[0], Wish())
    none = finder.draw(images[0], sample, Wish(keypoint_thr=1.1))
    np.testing.assert_array_equal(none, images[0])


def test_widths_have_views_only_on_request():
    inferencer = BottomupInferencer("swahr_tiny_synthetic", device="cpu")
    assert PeopleFinder(inferencer).views == ("People", "Heatmap", "Tags")


def test_users_at_the_same_time_get_their_own_people(finder, images):
    asked = [(image, score) for image in images for score in (0.0, 0.5)]
    expected = [people_in(finder, image, min_score=score) for image, score in asked]
    with ThreadPoolExecutor(4) as users:
        found = users.map(lambda ask: people_in(finder, ask[0], min_score=ask[1]), asked)
        for people, own in zip(found, expected):
            np.testing.assert_array_equal(people.keypoints, own.keypoints)


def test_a_video(finder, images, tmp_path):
    write_video(tmp_path / "in.avi", [images[0]] * 4)
    out = tmp_path / "out.webm"
    frames = list(finder.find_in_video(tmp_path / "in.avi", out, Wish(), max_frames=3))
    assert [frame["frame_id"] for frame in frames] == [0, 1, 2]
    assert all(len(frame["people"]) > 0 for frame in frames)
    drawn = cv2.VideoCapture(str(out))
    assert drawn.get(cv2.CAP_PROP_FPS) == 10
    assert drawn.read()[1].shape == images[0].shape
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"bad\.mp4' is neither an image nor a video"):
        list(finder.find_in_video(tmp_path / "bad.mp4", out, Wish(), max_frames=3))
