"""The codec's way from tensors to people, on the CPU and as on a GPU."""

import numpy as np
import pytest
import torch

from swahr_mmpose.codecs.torch_decoding import decode_with_torch, find_candidates_with_torch
from swahr_mmpose.decoding import DecodeOptions, decode_people, find_candidates

from ..helpers import as_set, codec_for, golden, maps_of, nearest_person, options_of

CASES = ["crowd", "crowdpose", "few", "noflip", "one", "overfull"]


def as_array(people):
    return as_set(np.concatenate([people.keypoints, people.keypoint_scores[..., None]], axis=-1))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fill_missing", [False, True])
def test_the_path_for_gpus_finds_the_official_people(name, fill_missing, device):
    """Candidates by pooling, refinement in torch; it runs on the CPU too."""
    numbers = golden(f"parse_{name}")
    heatmaps, tags = (torch.from_numpy(maps)[None].to(device) for maps in maps_of(numbers))
    (people,) = decode_with_torch(heatmaps, tags, options_of(numbers, fill_missing=fill_missing))
    expected = as_set(numbers["refined" if fill_missing else "grouped"])
    np.testing.assert_allclose(as_array(people)[..., :2], expected[..., :2], atol=1e-3)
    np.testing.assert_allclose(as_array(people)[..., 2], expected[..., 2], atol=1e-4)


def test_candidates_of_both_paths_are_the_same():
    """10,000 random maps, half of them of few different values, so that many tie."""
    rng = np.random.default_rng(0)
    for case in range(200):
        heatmaps = rng.random((50, 1, *rng.integers(1, 24, size=2))).astype(np.float32)
        if case % 2:
            heatmaps = (heatmaps * 6).round().astype(np.float32) / 8
        tags = rng.random((50, 2, *heatmaps.shape[1:])).astype(np.float32)
        kernel, topk = int(rng.choice([1, 3, 5])), int(rng.integers(1, 40))
        options = DecodeOptions(nms_kernel=kernel, topk=topk, keypoint_thr=rng.uniform(0, 0.6))
        in_torch = find_candidates_with_torch(
            torch.from_numpy(heatmaps), torch.from_numpy(tags), options
        )
        for index, pooled in enumerate(in_torch):
            sparse = find_candidates(heatmaps[index], tags[index], options)
            for field in ("locations", "scores", "tags"):
                for one, other in zip(getattr(sparse, field), getattr(pooled, field)):
                    np.testing.assert_array_equal(one, other)


def test_both_paths_fill_missing_keypoints_alike(device):
    """To the last bit, where values tie, and where they exceed 1."""
    rng = np.random.default_rng(0)
    for case in range(100):
        shape = (4, *rng.integers(5, 60, size=2))
        heatmaps = np.where(rng.random(shape) < 0.05, rng.integers(0, 5, shape) / 2, 0)
        tags = rng.integers(-2, 3, (rng.integers(1, 3), *shape)) * rng.choice([0.3, 0.5, 1])
        heatmaps, tags = heatmaps.astype(np.float32), tags.astype(np.float32)
        options = DecodeOptions(keypoint_order=range(4), nms_kernel=9)
        expected = decode_people(heatmaps, tags, options)
        maps = (torch.from_numpy(own)[None].to(device) for own in (heatmaps, tags))
        (people,) = decode_with_torch(*maps, options)
        for name, values in vars(expected).items():
            np.testing.assert_array_equal(getattr(people, name), values, err_msg=f"{case} {name}")


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_people_on_a_gpu_are_those_on_the_cpu(name, gpu):
    numbers = golden(f"parse_{name}")
    heatmaps, tags = maps_of(numbers)
    on_cpu = decode_people(heatmaps, tags, options_of(numbers))
    options = {f"decode_{name}": value for name, value in vars(options_of(numbers)).items()}
    maps = (torch.from_numpy(own)[None].to(gpu) for own in (heatmaps, np.concatenate(tags)))
    keypoints, scores, _ = codec_for((512, 512), **options).batch_decode(*maps)
    on_gpu = as_set(np.concatenate([keypoints[0], scores[0][..., None]], axis=-1))
    np.testing.assert_allclose(on_gpu, as_array(on_cpu), atol=1e-3)


def test_what_is_encoded_decodes():
    """Random people through `encode` and `batch_decode`, several images a batch."""
    rng = np.random.default_rng(0)
    codec = codec_for((256, 256))
    for _ in range(30):
        images, heatmaps, tags = [], [], []
        for _ in range(4):
            # a cell of its own for each person: no two within one NMS window
            cells = rng.permutation(16)[: rng.integers(1, 5)]
            corner = np.stack([cells % 4, cells // 4], axis=-1)[:, None] * 64.0
            keypoints = corner + rng.uniform(8, 56, (len(cells), 6, 2))
            encoded = codec.encode(keypoints)
            images.append(keypoints)
            heatmaps.append(encoded["heatmaps"][1])
            visible = np.ones(keypoints.shape[:2], bool)
            tags.append(nearest_person(keypoints // 2, visible, (128, 128)) * 2.0)
        found, _, _ = codec.batch_decode(
            torch.from_numpy(np.stack(heatmaps)),
            torch.from_numpy(np.stack(tags)).float(),
            input_size=(256, 256),
        )
        for people, expected in zip(found, images):
            assert len(people) == len(expected)
            error = np.abs(people[:, None] - expected[None]).max(axis=(2, 3))
            # half a map pixel that truncating costs and a quarter of one, in input pixels
            assert error.min(axis=0).max() <= 1.5


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
    codec = codec_for((128, 96), decode_topk=4, decode_fill_missing=False)
    keypoints, scores, _ = codec.batch_decode(*maps)
    assert len(keypoints[0]) == 4
    assert (scores[0] == 0.5).all()
    # all keypoints of a person lie in its own column
    np.testing.assert_allclose(np.ptp(keypoints[0][..., 0], axis=1), 0)


def test_maps_may_be_slices_of_others():
    """Neither contiguous nor without a gradient: as a model in training gives them."""
    maps = [torch.rand(2, c, 40, 56, requires_grad=True) for c in (3, 6)]
    sliced = [m[:, :, 4:36, 4:52] for m in maps]
    codec = codec_for((96, 64))
    expected = codec.batch_decode(*(m.detach().contiguous() for m in sliced))
    for one, other in zip(codec.batch_decode(*sliced), expected):
        for image, expected_image in zip(one, other):
            np.testing.assert_array_equal(image, expected_image)


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


@pytest.mark.parametrize(
    ("heatmaps", "tags", "message"),
    [
        ((1, 17, 8, 8), (1, 17, 8, 9), "do not fit heatmaps"),
        ((1, 17, 8, 8), (1, 18, 8, 8), r"tags \(B, L·K, H, W\)"),
        ((1, 17, 8, 8), (2, 17, 8, 8), "do not fit heatmaps"),
        ((17, 8, 8), (17, 8, 8), r"heatmaps must be \(B, K, H, W\)"),
    ],
)
def test_maps_that_do_not_fit_are_named(heatmaps, tags, message):
    with pytest.raises(ValueError, match=message):
        codec_for((64, 64)).batch_decode(torch.zeros(heatmaps), torch.zeros(tags))
