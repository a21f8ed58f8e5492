"""Maps of any numbers: people within them, or a declared error."""

import atheris

with atheris.instrument_imports(include=["swahr_mmpose.decoding"]):
    from swahr_mmpose.decoding import DecodeOptions, decode_people

import numpy as np

from tests.fuzz.harness import Choices, fuzz

VALUES = np.float32(
    [0, 0.05, 0.1, 0.3, 0.5, 0.9, 1, 1.5, 3, 100, 1e9, 1e30, -0.5, -1e9, 1e-40, np.nan, np.inf]
)


def maps(choices, shape):
    """Maps of few values with single others, or of noise: both have their ways to go wrong."""
    rng = np.random.default_rng(choices.number(0, 255))
    finite = len(VALUES) if choices.number(0, 15) == 0 else len(VALUES) - 2
    levels = VALUES[[choices.number(0, finite - 1) for _ in range(choices.number(1, 4))]]
    values = rng.choice(levels, shape).astype(np.float32)
    if choices.number(0, 1):
        with np.errstate(over="ignore"):
            values += rng.standard_normal(shape).astype(np.float32) * choices.one_of([0.01, 1, 30])
    return values


def run(data):
    choices = Choices(data)
    k, tag_dim = choices.number(1, 4), choices.number(1, 2)
    size = choices.number(1, 40), choices.number(1, 40)
    heatmaps, tags = maps(choices, (k, *size)), maps(choices, (tag_dim, k, *size))
    try:
        options = DecodeOptions(
            keypoint_thr=choices.one_of([0.1, 0, 0.5, 0.99, -1, np.nan]),
            tag_thr=choices.one_of([1, 0.1, 1e9, 0, np.inf]),
            topk=choices.one_of([30, 1, 2, 1000, 0]),
            nms_kernel=choices.one_of([5, 1, 3, 41, 2]),
            max_instances=choices.one_of([None, 1, 30, 0]),
            fill_missing=bool(choices.number(0, 1)),
            grouping=choices.one_of(["official", "score_first", "none"]),
            min_score=choices.one_of([0, 0.2, 1]),
            pose_nms_thr=choices.one_of([None, 0.9, 0.01]),
            keypoint_sigmas=[0.05] * k,
        )
        people = decode_people(heatmaps, tags, options)
    except ValueError as error:
        assert str(error).endswith((".", ")")), error
        return
    assert np.isfinite(heatmaps).all()
    assert np.isfinite(tags).all()
    n = len(people.keypoints)
    assert people.keypoints.shape == (n, k, 2)
    assert people.keypoint_scores.shape == (n, k)
    assert people.instance_scores.shape == (n,)
    found = people.keypoints[people.keypoint_scores > 0]
    assert ((found >= 0) & (found <= np.float32(size[::-1]))).all(), found
    for values in (people.keypoints, people.keypoint_scores, people.instance_scores):
        assert np.isfinite(values).all()


if __name__ == "__main__":
    fuzz(run)
