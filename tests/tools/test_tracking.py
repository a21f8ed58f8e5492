"""The page on videos: its blocks keep drawn people apart who walk through a video."""

import re
import subprocess
import sys

import numpy as np
import pytest

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.synthetic.body import random_pose
from swahr_mmpose.synthetic.painting import Canvas, Outfit, paint_background, paint_person

from ..documentation import python_block
from ..helpers import write_video

NUM_FRAMES = 9
SIZE = (320, 240)
STATURE = 170
#: Where feet are in the first frame, and how far they go in each.
WALKS = [((70, 220), (4, 0)), ((250, 220), (-4, 0))]


def joints_of(pose, number, walk):
    """(17, 2), x and y of a walking person in a frame."""
    (start, step) = walk
    return pose.joints * STATURE + start + np.multiply(step, number)


@pytest.fixture(scope="module")
def walkers():
    """Pose and outfit of each."""
    rng = np.random.default_rng(5)
    return [(random_pose(rng), Outfit.random(rng)) for _ in WALKS]


@pytest.fixture(scope="module")
def folder(walkers, tmp_path_factory):
    """A folder with `video.mp4`."""
    folder = tmp_path_factory.mktemp("tracking")
    frames = []
    for number in range(NUM_FRAMES):
        canvas = Canvas.blank(SIZE)
        paint_background(canvas, np.random.default_rng(0), num_shapes=5)
        for owner, ((pose, outfit), walk) in enumerate(zip(walkers, WALKS), start=1):
            head = pose.head * STATURE + walk[0] + np.multiply(walk[1], number)
            joints = joints_of(pose, number, walk)
            paint_person(canvas, pose, joints, head, STATURE, outfit, owner)
        frames.append(canvas.image)
    write_video(folder / "video.mp4", frames, "mp4v")
    return folder


@pytest.fixture(scope="module")
def inferencer():
    return BottomupInferencer("swahr_tiny_synthetic", device="cpu")


@pytest.fixture(scope="module")
def results(inferencer, folder):
    """Of each frame; also in `output/`."""
    return list(inferencer(str(folder / "video.mp4"), out_dir=str(folder / "output")))


def test_frames_have_numbers(inferencer, folder, results):
    assert [result["frame_id"] for result in results] == list(range(NUM_FRAMES))
    assert next(inferencer(str(folder / "video.mp4")))["frame_id"] == 0
    assert "frame_id" not in next(inferencer(np.zeros((64, 64, 3), np.uint8)))


def check_tracks(printed, walkers):
    """Each walker is one of two people, all the way to the last frame."""
    tracks = {}
    for frame_id, person, place in re.findall(r"^(\d+) (-?\d+) \[(.*)\]$", printed, re.M):
        tracks.setdefault(int(person), {})[int(frame_id)] = np.array(place.split(), float)
    tracks.pop(-1, None)
    assert len(tracks) == len(WALKS)
    for (pose, _), walk in zip(walkers, WALKS):
        distances = []
        for places in tracks.values():
            assert len(places) >= NUM_FRAMES - 3
            expected = {f: joints_of(pose, f, walk).mean(axis=0) for f in places}
            distances.append(max(np.linalg.norm(places[f] - expected[f]) for f in places))
        assert min(distances) < 15


def test_people_are_tracked_by_keypoints(folder, walkers, monkeypatch, capsys):
    pytest.importorskip("norfair", reason="pip install 'swahr_mmpose[tracking]'")
    monkeypatch.chdir(folder)
    exec(python_block("tracking.md", "norfair"), {})
    check_tracks(capsys.readouterr().out, walkers)


@pytest.mark.slow
@pytest.mark.usefixtures("results")
def test_people_are_tracked_by_boxes(folder, walkers, tmp_path):
    """In an environment of its own, since it needs another NumPy."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", "trackers"], check=True)
    command = [python, "-c", python_block("tracking.md", "trackers")]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    check_tracks(done.stdout, walkers)
