"""Rescorers: files of arrays, the same in every way of finding people."""

import io

import numpy as np
import pytest

from swahr_mmpose.decoding.rescoring import Rescorer, pose_features

LIMBS = np.array([[0, 1], [1, 2]])


def random_rescorer(num_keypoints=3, limbs=LIMBS, seed=0):
    rng = np.random.default_rng(seed)
    widths = [3 * len(limbs) + num_keypoints, 8, 8, 1]
    layers = [
        (
            rng.normal(0, 0.4, (after, before)).astype(np.float32),
            rng.normal(0, 0.2, after).astype(np.float32),
        )
        for before, after in zip(widths, widths[1:])
    ]
    return Rescorer(limbs, num_keypoints, layers)


def test_place_and_size_do_not_matter():
    rng = np.random.default_rng(0)
    poses, scores = rng.uniform(0, 50, (4, 3, 2)), rng.random((4, 3))
    np.testing.assert_allclose(
        pose_features(poses * 7 + [100, -20], scores, LIMBS),
        pose_features(poses, scores, LIMBS),
        rtol=1e-5,
    )


def test_a_file_gives_the_same_rescorer(tmp_path):
    rng = np.random.default_rng(0)
    poses, scores = rng.uniform(0, 50, (40, 3, 2)), rng.random((40, 3))
    rescorer = random_rescorer()
    rescorer.save(tmp_path / "rescorer.npz")
    predicted = Rescorer.load(tmp_path / "rescorer.npz")(poses, scores)
    np.testing.assert_array_equal(predicted, rescorer(poses, scores))
    assert predicted.shape == (40,)
    assert ((predicted >= 0) & (predicted <= 1)).all()
    assert np.ptp(predicted) > 0.1
    assert rescorer(np.zeros((0, 3, 2)), np.zeros((0, 3))).shape == (0,)


def test_other_keypoints_are_named():
    with pytest.raises(ValueError, match="The rescorer is for 3 keypoints, but people have 17"):
        random_rescorer()(np.zeros((1, 17, 2)), np.zeros((1, 17)))


def bytes_of(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


class Evil:
    def __reduce__(self):
        return (print, ("this runs when it is unpickled",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        bytes_of(limbs=LIMBS),
        bytes_of(limbs=LIMBS, num_keypoints=np.array(3)),
        bytes_of(limbs=LIMBS + 5, num_keypoints=np.array(3), weight0=np.ones((1, 9)), bias0=[0.0]),
        bytes_of(limbs=LIMBS, num_keypoints=np.array(3), weight0=np.ones((1, 8)), bias0=[0.0]),
        bytes_of(limbs=LIMBS, num_keypoints=np.array(3), weight0=np.ones((1, 9)), bias0=["text"]),
        bytes_of(limbs=np.array([Evil()], object), num_keypoints=np.array(3)),
    ],
)
def test_files_that_are_no_rescorer_are_named(content, tmp_path, capsys):
    path = tmp_path / "rescorer.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="can't be read as a rescorer"):
        Rescorer.load(path)
    assert "unpickled" not in capsys.readouterr().out


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        Rescorer.load(tmp_path / "missing.npz")
