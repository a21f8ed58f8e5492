from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.runner import load_checkpoint
from mmpose.structures import PoseDataSample

from swahr_mmpose.checkpoints.reading import CheckpointError
from swahr_mmpose.decoding import NotFiniteError

from ..helpers import HostData, build_model, dataset_meta, load_config, without_waiting

KNEES = torch.tensor([13, 14])


@pytest.fixture(scope="module")
def tiny():
    config = load_config("swahr_tiny_synthetic")
    model = build_model(config)
    model.init_weights()
    model.head.final_layers[1].bias.data += 0.5  # makes people appear everywhere
    return model.eval(), config


def pack(config, image, **resize):
    pipeline = [dict(step) for step in config.test_dataloader.dataset.pipeline]
    pipeline[1].update(resize)
    return Compose(pipeline)(dict(img=image, img_path="x.jpg", **dataset_meta(config)))


def batch_of_one(config, **resize):
    return pseudo_collate([pack(config, make_images((100, 80))[0], **resize)])


def make_images(*sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for w, h in sizes]


@torch.no_grad()
@pytest.mark.parametrize("resize", [{}, dict(input_size=128, scales=(1, 0.5))])
def test_images_of_different_sizes_share_a_batch(tiny, resize):
    """In an order of their own, and with the same result as one by one."""
    model, config = tiny
    model.test_cfg = dict(flip_test=True, output_heatmaps=True)
    images = make_images((100, 80), (80, 100), (100, 80))
    packed = [pack(config, image, **resize) for image in images]
    together = model.test_step(pseudo_collate(packed))
    for image, sample in zip(images, together):
        (alone,) = model.test_step(pseudo_collate([pack(config, image, **resize)]))
        assert sample.img_shape == alone.img_shape
        # convolutions over a batch may be summed in another order
        torch.testing.assert_close(
            sample.pred_fields.heatmaps, alone.pred_fields.heatmaps, atol=1e-5, rtol=1e-4
        )
        assert len(sample.pred_instances) > 0
        np.testing.assert_allclose(
            np.sort(sample.pred_instances.bbox_scores),
            np.sort(alone.pred_instances.bbox_scores),
            atol=1e-3,
        )


@torch.no_grad()
def test_widths_are_given_when_asked_for(tiny):
    model, config = tiny
    model.test_cfg = dict(flip_test=True, output_scales=True)
    (sample,) = model.test_step(batch_of_one(config))
    people = sample.pred_instances
    assert len(people) > 0
    assert people.keypoint_widths.shape == people.keypoint_scores.shape
    # α starts at 0: the base width, two pixels of stride 2, in pixels of the image
    np.testing.assert_allclose(people.keypoint_widths, 4.0 * 80 / 192, rtol=1e-6)
    model.test_cfg = dict(flip_test=True)
    (sample,) = model.test_step(batch_of_one(config))
    assert "keypoint_widths" not in sample.pred_instances


@torch.no_grad()
@pytest.mark.parametrize("size", [(100, 80), (80, 131), (187, 250)])
@pytest.mark.parametrize("resize", [{}, dict(input_size=128, scales=(1, 0.5))])
def test_nobody_is_in_the_border_and_missing_keypoints_are_zeros(tiny, size, resize, monkeypatch):
    model, config = tiny
    model.test_cfg = dict(output_scales=True)
    decoder, layer = model.head.decoder, model.head.final_layers[1]
    options = replace(decoder.decode_options, fill_missing=False)
    monkeypatch.setattr(decoder, "decode_options", options)
    without_knees = layer.bias - 2.0 * torch.isin(torch.arange(len(layer.bias)), KNEES)
    monkeypatch.setattr(layer.bias, "data", without_knees)
    (image,) = make_images(size)
    (sample,) = model.test_step(pseudo_collate([pack(config, image, **resize)]))
    people = sample.pred_instances
    found, beyond = people.keypoints_found, 0.25 * sample.input_scale / sample.input_size + 1e-3
    assert not found[:, KNEES].any()
    np.testing.assert_array_equal(found, people.keypoint_scores > 0)
    for values in (people.keypoints, people.keypoint_widths):
        assert not values[~found].any()
    assert (people.keypoints >= -beyond).all()
    assert (people.keypoints <= size + beyond).all()


@torch.no_grad()
def test_widths_need_a_scale_branch_in_the_checkpoint(tiny, tmp_path):
    """Of a baseline's checkpoint they would be those of the initial weights."""
    model, config = tiny
    state = {k: v for k, v in model.state_dict().items() if "scale_layers" not in k}
    swahr = build_model(load_config("swahr_tiny_synthetic")).eval()
    load_checkpoint(swahr, save(state, tmp_path / "baseline.pth"))
    swahr.test_cfg = dict(output_scales=True)
    data = batch_of_one(config)
    with pytest.raises(ValueError, match="no trained scale branch"):
        swahr.test_step(data)
    load_checkpoint(swahr, save(model.state_dict(), tmp_path / "swahr.pth"))
    assert "keypoint_widths" in swahr.test_step(data)[0].pred_instances


@torch.no_grad()
def test_the_head_is_entered_once_for_each_pass(tiny):
    model, config = tiny
    entered = []
    handle = model.head.final_layers[0].register_forward_hook(lambda *_: entered.append(1))
    for flip_test, passes in ((False, 1), (True, 2)):
        entered.clear()
        model.test_cfg = dict(flip_test=flip_test, output_scales=True, output_heatmaps=True)
        model.test_step(batch_of_one(config))
        assert len(entered) == passes
    handle.remove()


def test_scales_in_the_stock_estimators_way_are_named():
    config = load_config("swahr_tiny_synthetic")
    config.model.test_cfg = dict(multiscale_test=True)
    with pytest.raises(ValueError, match=r"BottomupPyramidResize.*scales=\(1, 0.5, 2\)"):
        build_model(config)


@torch.no_grad()
def test_the_networks_part_of_a_test_step_copies_nothing_from_the_host(tiny):
    model, _ = tiny
    model.test_cfg = dict(flip_test=True, output_scales=True)
    samples = [PoseDataSample(metainfo=dict(flip_indices=list(range(17))))] * 2
    with HostData() as host:
        torch.as_tensor([0])
        model.predict_maps([torch.randn(2, 3, 128, 192), torch.randn(2, 3, 64, 96)], samples)
    assert len(host.made) == 1  # the one made here to see that it is noticed


@pytest.mark.gpu
@torch.no_grad()
def test_the_networks_part_of_a_test_step_does_not_wait_for_the_device(gpu):
    model = build_model(load_config("swahr_tiny_synthetic")).eval().to(gpu)
    model.test_cfg = dict(flip_test=True)
    images = torch.randn(2, 3, 192, 256, device=gpu)
    samples = [PoseDataSample(metainfo=dict(flip_indices=list(range(17))))] * 2
    expected = model.predict_maps(images, samples)
    with without_waiting(gpu):
        maps = model.predict_maps(images, samples)
    torch.testing.assert_close(maps.heatmaps, expected.heatmaps)


@torch.no_grad()
def test_the_stock_estimator_takes_the_head_too(tiny):
    """MMPose's own estimator, with and without flip test, gives the same people."""
    model, config = tiny
    stock_config = load_config("swahr_tiny_synthetic")
    stock_config.model.type = "BottomupPoseEstimator"
    stock = build_model(stock_config).eval()
    stock.load_state_dict(model.state_dict())
    for flip_test in (False, True):
        outputs = []
        for estimator in (model, stock):
            estimator.test_cfg = dict(flip_test=flip_test, output_heatmaps=True)
            (sample,) = estimator.test_step(batch_of_one(config))
            outputs.append(sample.pred_fields)
        torch.testing.assert_close(outputs[0].heatmaps, outputs[1].heatmaps)
        torch.testing.assert_close(outputs[0].tags, outputs[1].tags)


def save(state_dict, path):
    torch.save(dict(state_dict=state_dict, meta={}), path)
    return str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(num_keypoints=14), r"another shape: 21, first head.final_layers.0.weight is \("),
        (dict(num_basic_blocks=2), "missing weights: 10, first head.deconv_layers.0.2.0.conv1"),
    ],
)
def test_a_checkpoint_of_another_model_is_named(tiny, tmp_path, change, message):
    """Through MMEngine's loading, which by itself only warns."""
    model, _ = tiny
    path = save(model.state_dict(), tmp_path / "checkpoint.pth")
    config = load_config("swahr_tiny_synthetic")
    config.model.head.update(change)
    with pytest.raises(RuntimeError, match=f"The checkpoint is of another model: .*{message}"):
        load_checkpoint(build_model(config), path)
    config.model.partial_checkpoint = True
    partial = build_model(config)
    load_checkpoint(partial, path)
    torch.testing.assert_close(partial.backbone.conv1.weight, model.backbone.conv1.weight)


def test_the_baseline_and_swahr_take_each_others_checkpoints_for_prediction(tiny, tmp_path):
    """They differ in branches of training only."""
    model, _ = tiny
    config = load_config("swahr_tiny_synthetic")
    config.model.head.type = "HigherHRNetHead"
    baseline = build_model(config)
    load_checkpoint(baseline, save(model.state_dict(), tmp_path / "swahr.pth"))
    load_checkpoint(model, save(baseline.state_dict(), tmp_path / "baseline.pth"))


@torch.no_grad()
def test_scales_that_do_not_line_up_are_named(tiny):
    """As MMPose's `BottomupResize` gives them, which pads each by itself."""
    model, config = tiny
    model.test_cfg = dict(flip_test=False)
    scales = [torch.zeros(1, 3, 512, 832), torch.zeros(1, 3, 256, 448)]
    with pytest.raises(ValueError, match=r"832.*Resize the images with `BottomupPyramidResize`"):
        model.predict(scales, batch_of_one(config)["data_samples"])


@torch.no_grad()
def test_a_preprocessor_for_single_images_is_named(tiny):
    _, config = tiny
    config = config.copy()
    config.model.data_preprocessor.type = "PoseDataPreprocessor"
    model = build_model(config).eval()
    with pytest.raises(TypeError, match="type='BottomupPoseDataPreprocessor'"):
        model.test_step(batch_of_one(config, input_size=128, scales=(1, 0.5)))


@pytest.mark.parametrize(
    ("part", "changes", "given"),
    [
        ("head", dict(in_channels=32), "24 channels at stride 4"),
        ("backbone", dict(type="ResNet", depth=18, _delete_=True), "512 channels at stride 32"),
    ],
)
def test_a_feature_that_the_head_does_not_take_is_named(part, changes, given):
    config = load_config("swahr_tiny_synthetic")
    config.merge_from_dict(dict(model={part: changes}))
    with pytest.raises(ValueError, match=f"{given}, but the head takes"):
        build_model(config)


@torch.no_grad()
def test_a_dataset_of_other_keypoints_is_named(tiny):
    model, config = tiny
    model.test_cfg = dict(flip_test=True)
    data = batch_of_one(config)
    data["data_samples"][0].set_metainfo(dict(flip_indices=[1, 0, 2]))
    with pytest.raises(ValueError, match=r"for the head's 17 keypoints, .* \[1, 0, 2\]"):
        model.test_step(data)


@torch.no_grad()
def test_weights_that_are_no_numbers_are_not_loaded_nor_read_from(tiny):
    model, config = tiny
    bias = model.head.final_layers[1].bias.data
    kept = bias.clone()
    bias[0] = np.nan
    state_dict = {name: own.clone() for name, own in model.state_dict().items()}
    with pytest.raises(NotFiniteError, match="1 of the network's 17 heatmaps hold NaN"):
        model.test_step(batch_of_one(config))
    bias.copy_(kept)
    with pytest.raises(CheckpointError, match=r"in 1 tensors, first head.final_layers.1.bias"):
        model.load_state_dict(state_dict)
