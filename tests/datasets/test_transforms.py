from functools import partial

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch

from swahr_mmpose.datasets.transforms import (
    BottomupHeatmapMask,
    BottomupHorizontalFlip,
    BottomupPackInputs,
    BottomupPyramidResize,
    BottomupUniformAffine,
)
from swahr_mmpose.datasets.transforms.heatmap_mask import segmentations_to_mask
from swahr_mmpose.images.geometry import pyramid_geometry

FLIP_INDICES = [1, 0, 2]
NAN = float("nan")
AFFINE = partial(BottomupUniformAffine, input_size=(64, 64))
RESIZE = partial(BottomupPyramidResize, input_size=512)


def results_of(size=(120, 80), point=(30.0, 20.0)):
    """An image with one bright spot, and a person whose keypoints are all there."""
    w, h = size
    image = np.zeros((h, w, 3), np.uint8)
    cv2.circle(image, (int(point[0]), int(point[1])), 3, (255, 255, 255), -1)
    return dict(
        img=image,
        ori_shape=(h, w),
        img_shape=(h, w),
        keypoints=np.tile(np.float32(point), (1, 3, 1)),
        keypoints_visible=np.ones((1, 3), np.float32),
        bbox=np.float32([[20, 10, 40, 30]]),
        area=np.float32([400]),
        flip_indices=FLIP_INDICES,
    )


def spot(image):
    """The centre of the bright spot, x and y in pixels."""
    y, x = np.nonzero(image[..., 0] > 127)
    return np.array([x.mean(), y.mean()])


@pytest.mark.parametrize("input_size", [(128, 128), (192, 96), (96, 160)])
def test_affine_moves_keypoints_with_the_image(input_size):
    transform = BottomupUniformAffine(input_size, rotation=30, scale=(0.9, 1.1), translation=0.1)
    for _ in range(20):
        results = transform(results_of(point=(60, 40)))
        assert results["img"].shape[1::-1] == input_size == results["input_size"]
        # a drawn disc is found to a fraction of a pixel
        np.testing.assert_allclose(results["keypoints"][0, 0], spot(results["img"]), atol=0.5)


def test_affine_draws_uniformly_within_its_ranges():
    transform = BottomupUniformAffine((100, 100), rotation=30, scale=(0.75, 1.5), translation=0.2)
    warps = np.array([transform(results_of((100, 100)))["warp_mat"] for _ in range(400)])
    scale = 1 / np.sqrt(np.linalg.det(warps[:, :, :2]))
    angle = np.rad2deg(np.arctan2(warps[:, 1, 0], warps[:, 0, 0]))
    centers = np.array([np.linalg.inv(w[:, :2]) @ ([50, 50] - w[:, 2]) - 50 for w in warps])
    shift = centers / (100 * scale[:, None])
    for values, low, high in ((scale, 0.75, 1.5), (angle, -30, 30), (shift, -0.2, 0.2)):
        assert values.min() >= low - 1e-4
        assert values.max() <= high + 1e-4
        # uniform: the quarters hold a quarter each; 0.07 is 3 deviations of 400 draws
        share = np.histogram(values, bins=4, range=(low, high))[0] / values.size
        np.testing.assert_allclose(share, 0.25, atol=0.07)


def test_affine_scales_the_area():
    results = BottomupUniformAffine((160, 160), 0, (1, 1), 0)(results_of((80, 80)))
    np.testing.assert_allclose(results["area"], 1600, rtol=1e-4)
    np.testing.assert_allclose(results["bbox"], [[40, 20, 80, 60]], atol=1e-3)


def test_mirroring_before_the_affine_map_is_named():
    """The mask of crowds would be mirrored where it should have been warped first."""
    mirrored = BottomupHorizontalFlip(prob=1.0)(results_of())
    with pytest.raises(ValueError, match="Put the flip after it in the pipeline"):
        BottomupUniformAffine((64, 64))(mirrored)


@pytest.mark.parametrize("size", [(120, 80), (80, 120), (64, 64)])
def test_flip_is_right_for_any_shape(size):
    results = BottomupHorizontalFlip(prob=1.0)(results_of(size))
    np.testing.assert_allclose(results["keypoints"][0, 0], spot(results["img"]), atol=1e-6)
    assert results["flip"]
    assert results["flip_direction"] == "horizontal"


def test_flip_swaps_left_and_right():
    results = results_of()
    results["keypoints"][0, 0] = (10, 20)
    results["keypoints_visible"][0] = (1, 0, 1)
    flipped = BottomupHorizontalFlip(prob=1.0)(results)
    assert flipped["keypoints"][0, 1].tolist() == [109, 20]
    assert flipped["keypoints_visible"][0].tolist() == [0, 1, 1]


def test_flip_with_probability_zero_changes_nothing():
    expected = results_of()
    results = BottomupHorizontalFlip(prob=0.0)(results_of())
    np.testing.assert_array_equal(results["keypoints"], expected["keypoints"])
    assert not results["flip"]


def run_length_region(size, box):
    """COCO's uncompressed run lengths of a box (left, top, right, bottom)."""
    mask = np.zeros(size[::-1], int)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    edges = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=0))
    return dict(size=list(mask.shape), counts=np.diff([0, *edges, mask.size]).tolist())


def test_mask_covers_polygons_and_run_lengths():
    polygon = [[10.0, 10, 20, 10, 20, 20, 10, 20]]
    crowd = run_length_region((60, 40), (40, 5, 50, 15))
    mask = segmentations_to_mask([polygon, crowd, None, [], [[]]], (60, 40))
    assert mask[15, 15]
    assert mask[10, 45]
    assert mask[5:15, 40:50].all()
    assert mask.sum() == pytest.approx(200, abs=25)


def test_compressed_run_lengths_are_taken():
    """As COCO's tools write them, in bytes, and as JSON holds them, in text."""
    region = run_length_region((60, 40), (40, 5, 50, 15))
    compressed = coco_mask.frPyObjects(region, 40, 60)
    as_text = dict(compressed, counts=compressed["counts"].decode())
    expected = segmentations_to_mask([region], (60, 40))
    for other in (compressed, as_text):
        np.testing.assert_array_equal(segmentations_to_mask([other], (60, 40)), expected)


def test_mask_of_another_size_is_named():
    with pytest.raises(ValueError, match="Is the annotation of another image"):
        segmentations_to_mask([run_length_region((60, 40), (0, 0, 5, 5))], (40, 60))


@pytest.mark.parametrize("flip", [False, True])
def test_mask_follows_the_image(flip):
    """A region that is white in the image must be what the mask leaves out."""
    size = (120, 80)
    results = results_of(size)
    results["img"][:] = 90
    results["img"][20:50, 30:70] = 255
    results["invalid_segs"] = [run_length_region(size, (30, 20, 70, 50))]
    for transform in (
        BottomupUniformAffine((128, 192), rotation=20),
        BottomupHorizontalFlip(prob=float(flip)),
    ):
        results = transform(results)
    results["heatmap_sizes"] = [(32, 48), (64, 96)]
    masks = BottomupHeatmapMask()(results)["heatmap_mask"]
    for mask, (w, h) in zip(masks, [(32, 48), (64, 96)]):
        assert mask.shape == (1, h, w)
        assert mask.dtype == bool
        resized = cv2.resize(results["img"][..., 0], (w, h), interpolation=cv2.INTER_AREA)
        valid = (resized > 45) & (resized < 170)
        # they may differ along the edges, which is less than a tenth of the pixels
        assert (mask[0] == valid).mean() > 0.9


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "diagonal"])
def test_mask_follows_flips_in_any_direction(direction):
    """MMPose's `RandomFlip` knows three."""
    size = (64, 64)
    results = results_of(size)
    results["invalid_segs"] = [run_length_region(size, (4, 8, 20, 16))]
    results.update(flip=True, flip_direction=direction, heatmap_sizes=[size])
    (mask,) = BottomupHeatmapMask()(results)["heatmap_mask"]
    left = 64 - 20 if direction in ("horizontal", "diagonal") else 4
    top = 64 - 16 if direction in ("vertical", "diagonal") else 8
    expected = np.ones((64, 64), bool)
    expected[top : top + 8, left : left + 16] = False
    # the border pixels of the region are interpolated
    assert (mask[0] != expected).sum() <= 2 * (16 + 8)


@pytest.mark.parametrize("scales", [(1, 0.5, 1.5), (1, 0.5, 2), (1, 2), (0.25, 1, 0.375)])
def test_inputs_of_all_scales_fit_the_network(scales):
    """Multiples of 32, and of one another's shape, for any image."""
    rng = np.random.default_rng(0)
    resize = BottomupPyramidResize(512, scales)
    for w, h in rng.integers(8, 200, size=(200, 2)):
        sizes = np.array(pyramid_geometry((w, h), 512, resize.scales).sizes)
        assert (sizes % 32 == 0).all()
        np.testing.assert_allclose(sizes[0] * np.array(resize.scales)[:, None], sizes)


def test_resize_of_one_scale_is_an_array_and_of_several_a_list():
    single = BottomupPyramidResize(64)(results_of())
    assert single["img"].shape[:2] == single["img_shape"] == single["input_size"][::-1]
    assert "aug_scales" not in single
    several = BottomupPyramidResize(128, scales=(0.5, 1, 2))(results_of())
    assert [image.shape[0] for image in several["img"]] == [128, 64, 256]
    assert several["aug_scales"] == [0.5, 2.0]
    assert several["img_shape"] == several["img"][0].shape[:2]


@pytest.mark.parametrize(
    ("transform", "kwargs", "message"),
    [
        (AFFINE, dict(scale=(0, 1)), "`scale` must be a range"),
        (AFFINE, dict(scale=(1.5, 0.75)), "`scale` must be a range"),
        (AFFINE, dict(scale=(0.75,)), "`scale` must be a range"),
        (AFFINE, dict(scale=1.0), "`scale` must be a range"),
        (AFFINE, dict(rotation=-1), "`rotation` must be finite and not negative"),
        (AFFINE, dict(rotation=NAN), "`rotation` must be finite and not negative"),
        (AFFINE, dict(translation="a"), "`translation` must be finite and not negative"),
        (AFFINE, dict(input_size=64), r"`input_size` must be \(w, h\) in whole pixels"),
        (AFFINE, dict(input_size=(64.5, 32)), r"`input_size` must be \(w, h\) in whole pixels"),
        (BottomupHorizontalFlip, dict(prob=1.5), "`prob` must be in"),
        (RESIZE, dict(scales=(0.5, 2)), "with 1 among them"),
        (RESIZE, dict(scales=(1, 1)), "different positive factors"),
        (RESIZE, dict(scales=(1, -1)), "different positive factors"),
        (RESIZE, dict(scales=(1, NAN)), "different positive factors"),
        (RESIZE, dict(input_size=500), "is not a multiple of 64"),
        (RESIZE, dict(scales=(1, 0.3)), "is not a multiple of 64"),
        (RESIZE, dict(scales=(1, 1.2)), r"1.2 is not a multiple of 0.5.*Use 1 or 1.5"),
        (RESIZE, dict(scales=(1, 0.75)), "1 is not a multiple of 0.375"),
        (RESIZE, dict(scales=(1, "a")), "must be a sequence of factors"),
        (RESIZE, dict(scales=1), "must be a sequence of factors"),
        (RESIZE, dict(input_size="512"), r"must be \(w, h\) in whole pixels"),
    ],
)
def test_wrong_options_are_named(transform, kwargs, message):
    with pytest.raises(ValueError, match=message):
        transform(**kwargs)


def test_packing_keeps_single_images_and_pyramids():
    single = BottomupPackInputs()(BottomupPyramidResize(64)(results_of()))
    assert single["inputs"].shape == (3, 64, 128)
    pyramid = BottomupPackInputs()(BottomupPyramidResize(128, scales=(1, 0.5))(results_of()))
    assert [tuple(image.shape) for image in pyramid["inputs"]] == [(3, 128, 256), (3, 64, 128)]
    meta = pyramid["data_samples"].metainfo
    assert meta["aug_scales"] == [0.5]
    assert meta["flip_indices"] == FLIP_INDICES
    assert all(isinstance(image, torch.Tensor) for image in pyramid["inputs"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("name", "message"), [("img", "holds NaN or infinity"), ("keypoints", "number 2 of person 0")]
)
def test_an_image_with_what_is_not_finite_is_named(name, message, value):
    results = dict(results_of(), img_id=7)
    results[name] = results[name].astype(np.float32)
    results[name][0, 2] = value
    with pytest.raises(ValueError, match=rf"The image 7 .*{message}"):
        BottomupPackInputs()(results)
