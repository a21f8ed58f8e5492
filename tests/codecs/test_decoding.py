import numpy as np
import pytest
import torch

from swahr_mmpose.codecs.candidates import _dense_candidates
from swahr_mmpose.codecs.device_refinement import refine_on_device
from swahr_mmpose.codecs.grouping import default_keypoint_order, group_candidates

from ..helpers import golden
from .test_targets import codec_for

CASES = ["crowd", "crowdpose", "few", "noflip", "one", "overfull"]


def maps_of(numbers):
    """Heatmaps (1, K, H, W) and tags (1, L·K, H, W) of a golden case."""
    heatmaps = torch.from_numpy(numbers["heatmaps"].astype(np.float32))
    tags = torch.from_numpy(numbers["tags"].astype(np.float32))
    return heatmaps[None], tags.permute(3, 0, 1, 2).flatten(0, 1)[None]


def codec_of(numbers, **kwargs):
    return codec_for(
        (512, 512),
        decode_keypoint_thr=float(numbers["detection_threshold"]),
        decode_tag_thr=float(numbers["tag_threshold"]),
        decode_topk=int(numbers["max_num_people"]),
        decode_nms_kernel=int(numbers["nms_kernel"]),
        **kwargs,
    )


def as_set(people):
    """People in an order of their own."""
    return people[np.lexsort(people.reshape(len(people), -1).T)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fill_missing", [False, True])
def test_people_are_the_official_ones(name, fill_missing):
    numbers = golden(f"parse_{name}")
    codec = codec_of(numbers, decode_fill_missing=fill_missing)
    keypoints, scores, instance_scores = codec.batch_decode(*maps_of(numbers))
    expected = numbers["refined" if fill_missing else "grouped"]
    people = np.concatenate([keypoints[0], scores[0][..., None]], axis=-1)
    assert people.shape == expected.shape
    # ties are resolved as there, so the places agree to rounding
    np.testing.assert_allclose(as_set(people)[..., :2], as_set(expected)[..., :2], atol=1e-3)
    np.testing.assert_allclose(as_set(people)[..., 2], as_set(expected)[..., 2], atol=1e-4)
    np.testing.assert_allclose(np.sort(instance_scores[0]), np.sort(numbers["scores"]), atol=1e-4)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fill_missing", [False, True])
def test_the_path_for_gpus_finds_the_same_people(name, fill_missing):
    """Run on the CPU here; candidates by pooling, refinement in torch."""
    numbers = golden(f"parse_{name}")
    heatmaps, tags = maps_of(numbers)
    options = codec_of(numbers).decode_options
    (candidates,) = _dense_candidates(
        heatmaps, tags, options.topk, options.nms_kernel, options.keypoint_thr
    )
    order = default_keypoint_order(heatmaps.shape[1])
    people = group_candidates(candidates, order, options.tag_thr, options.topk)
    by_keypoint = tags[0].reshape(-1, *heatmaps.shape[1:])
    refined = refine_on_device(people, heatmaps[0], by_keypoint, fill_missing)
    expected = numbers["refined" if fill_missing else "grouped"]
    np.testing.assert_allclose(as_set(refined)[..., :2], as_set(expected)[..., :2], atol=1e-3)
    np.testing.assert_allclose(as_set(refined)[..., 2], as_set(expected)[..., 2], atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", CASES)
def test_people_on_a_gpu_are_those_on_the_cpu(name):
    """Nearly as many, and the best as good: equal candidates may be ranked otherwise there."""
    numbers = golden(f"parse_{name}")
    codec = codec_of(numbers)
    _, _, on_cpu = codec.batch_decode(*maps_of(numbers))
    _, _, on_gpu = codec.batch_decode(*(maps.cuda() for maps in maps_of(numbers)))
    assert abs(len(on_cpu[0]) - len(on_gpu[0])) <= max(1, len(on_cpu[0]) // 10)
    assert max(on_gpu[0]) == pytest.approx(max(on_cpu[0]), abs=1e-4)


def test_images_of_a_batch_are_decoded_each_by_itself():
    first, second = (torch.rand(2, c, 32, 48) for c in (3, 6))
    codec = codec_for((96, 64))
    together = codec.batch_decode(first, second)
    for index in range(2):
        alone = codec.batch_decode(first[index : index + 1], second[index : index + 1])
        for batch, single in zip(together, alone, strict=True):
            np.testing.assert_array_equal(batch[index], single[0])


def spots(places, tags, num_keypoints=17, size=(64, 48)):
    """Maps with a spot of height ``score`` at each (person, keypoint, x, y, score)."""
    heatmaps = torch.zeros(1, num_keypoints, *size[::-1])
    tag_maps = torch.zeros(1, num_keypoints, *size[::-1])
    for person, k, x, y, score in places:
        heatmaps[0, k, y, x] = score
        tag_maps[0, k, y, x] = tags[person]
    return heatmaps, tag_maps


def test_no_one_is_found_in_empty_maps():
    keypoints, scores, instance_scores = codec_for((64, 64)).batch_decode(
        torch.zeros(2, 17, 32, 32), torch.zeros(2, 17, 32, 32)
    )
    assert [people.shape for people in keypoints] == [(0, 17, 2)] * 2
    assert [people.shape for people in scores] == [(0, 17)] * 2
    assert [people.shape for people in instance_scores] == [(0,)] * 2


def test_coordinates_scale_to_the_input_size():
    maps = spots([(0, k, 20, 10, 0.9) for k in range(17)], tags=[3.0])
    codec = codec_for((128, 96))
    in_maps, _, _ = codec.batch_decode(*maps)
    in_input, _, _ = codec.batch_decode(*maps, input_size=(128, 144))
    np.testing.assert_allclose(in_maps[0] * (2, 3), in_input[0])
    # ties between neighbours go to the lower side: a quarter back, half a pixel on
    np.testing.assert_allclose(in_maps[0][0, 0], (20.25, 10.25))


def test_keypoints_at_the_border_stay_in_the_maps():
    corners = [(0, 0), (63, 0), (0, 47), (63, 47)]
    maps = spots([(0, k, *corners[k % 4], 0.9) for k in range(17)], tags=[3.0])
    keypoints, _, _ = codec_for((128, 96)).batch_decode(*maps)
    assert (keypoints[0] >= 0).all()
    assert (keypoints[0] <= (64, 48)).all()


def test_max_instances_keeps_the_best():
    places = [(p, k, 10 + 20 * p, 10, 0.3 + 0.2 * p) for p in range(3) for k in range(17)]
    maps = spots(places, tags=[0.0, 10.0, 20.0])
    _, _, scores = codec_for((128, 96), decode_max_instances=2).batch_decode(*maps)
    np.testing.assert_allclose(np.sort(scores[0]), [0.5, 0.7], atol=1e-6)


def test_more_people_than_topk_are_not_confused():
    places = [(p, k, 3 + 6 * p, 10 + k, 0.5) for p in range(10) for k in range(17)]
    maps = spots(places, tags=np.arange(10) * 5.0)
    keypoints, _, _ = codec_for((128, 96), decode_topk=4).batch_decode(*maps)
    assert len(keypoints[0]) >= 4


@pytest.mark.parametrize(("num_keypoints", "tag_dim"), [(5, 1), (14, 2), (21, 3)])
def test_any_number_of_keypoints_and_tags(num_keypoints, tag_dim):
    heatmaps, tags = spots(
        [(p, k, 10 + 30 * p, 5 + k, 0.9) for p in range(2) for k in range(num_keypoints)],
        tags=[0.0, 8.0],
        num_keypoints=num_keypoints,
    )
    tags = tags.repeat(1, tag_dim, 1, 1)
    keypoints, scores, _ = codec_for((128, 96)).batch_decode(heatmaps, tags)
    assert keypoints[0].shape == (2, num_keypoints, 2)
    np.testing.assert_allclose(scores[0], 0.9)


def test_order_covers_each_keypoint_once():
    for num_keypoints in range(1, 30):
        assert sorted(default_keypoint_order(num_keypoints)) == list(range(num_keypoints))


@pytest.mark.parametrize(
    ("heatmaps", "tags", "message"),
    [
        ((1, 17, 8, 8), (1, 17, 8, 9), "do not fit heatmaps"),
        ((1, 17, 8, 8), (1, 18, 8, 8), "a multiple of the keypoints"),
        ((17, 8, 8), (17, 8, 8), "must have four dimensions"),
    ],
)
def test_maps_that_do_not_fit_are_named(heatmaps, tags, message):
    with pytest.raises(ValueError, match=message):
        codec_for((64, 64)).batch_decode(torch.zeros(heatmaps), torch.zeros(tags))


def test_wrong_order_is_named():
    codec = codec_for((64, 64), decode_keypoint_order=[0, 1, 1])
    with pytest.raises(ValueError, match="`decode_keypoint_order` must name each of the 17"):
        codec.batch_decode(torch.zeros(1, 17, 8, 8), torch.zeros(1, 17, 8, 8))
