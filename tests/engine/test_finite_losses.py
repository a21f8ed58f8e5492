"""Poisoned batches and diverged weights end a training or a test, and damage nothing."""

import copy

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmpose.registry import DATASETS

from swahr_mmpose.decoding import NotFiniteError
from swahr_mmpose.models.finite_losses import FiniteLosses

from ..helpers import build_model, load_config
from ..micro_training import micro_config
from ..models.test_pose_estimator import make_images, pack


@pytest.fixture
def training(synthetic_data, tmp_path):
    """A model, its optimizer, and a dataset."""
    config = micro_config(synthetic_data, tmp_path)
    model = build_model(config)
    model.init_weights()
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    return model, optimizer, DATASETS.build(config.train_dataloader.dataset)


def state_of(model, optimizer):
    return copy.deepcopy((model.state_dict(), optimizer.state_dict()["state"]))


def assert_untouched(model, optimizer, before):
    weights, moments = before
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert optimizer.state_dict()["state"].keys() == moments.keys()


def test_an_image_with_nan_is_named_and_touches_nothing(training):
    model, optimizer, dataset = training
    batch = pseudo_collate([dataset[0], dataset[1]])
    before = state_of(model, optimizer)
    batch["inputs"][1] = batch["inputs"][1].float()
    batch["inputs"][1][0, 5, 7] = np.nan
    batch["inputs"][0] = batch["inputs"][0].float()
    image_id = batch["data_samples"][1].img_id
    with pytest.raises(ValueError, match=rf"The images \[{image_id}\] hold NaN or infinity"):
        model.train_step(batch, optimizer)
    assert_untouched(model, optimizer, before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_names_its_images_and_leaves_the_weights(training, value):
    model, optimizer, dataset = training
    batch = pseudo_collate([dataset[2], dataset[3]])
    ids = [sample.img_id for sample in batch["data_samples"]]
    model.head.final_layers[1].bias.data[0] = value
    before = {name: own.detach().clone() for name, own in model.named_parameters()}
    message = rf"loss_heatmap_s2.* of the batch with the images \[{ids[0]}, {ids[1]}\]"
    with pytest.raises(FloatingPointError, match=message):
        model.train_step(batch, optimizer)
    for name, own in model.named_parameters():
        torch.testing.assert_close(own.detach(), before[name], rtol=0, atol=0, equal_nan=True)


def test_a_device_is_looked_at_a_step_later():
    """Without a wait; ``meta`` stands for it, of which nothing can be read at all."""
    watch = FiniteLosses()
    losses = dict(loss_a=torch.zeros((), device="meta"), width=torch.zeros((), device="meta"))
    watch.check(losses, [])
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        watch.look_back()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_keypoint_that_is_not_finite_is_named(training, value):
    *_, dataset = training
    info = dataset.get_data_info(1)
    info["keypoints"][0, 3] = value
    info["keypoints_visible"][0, 3] = 1
    message = rf"image {info['img_id']} .*keypoint"
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        dataset.pipeline(info)


def test_an_image_with_nan_is_named_in_the_data_loader(training):
    *_, dataset = training
    results = dataset.get_data_info(1)
    for step in dataset.pipeline.transforms[:-1]:
        results = step(results)
    results["img"] = results["img"].astype(np.float32)
    results["img"][3, 4] = np.inf
    with pytest.raises(ValueError, match=rf"image {results['img_id']} .*NaN or infinity"):
        dataset.pipeline.transforms[-1](results)


def test_weights_with_nan_are_not_loaded(training):
    model, *_ = training
    state_dict = copy.deepcopy(model.state_dict())
    state_dict["head.final_layers.0.bias"][0] = np.inf
    with pytest.raises(ValueError, match=r"in 1 tensors, first head.final_layers.0.bias"):
        model.load_state_dict(state_dict)


def test_weights_that_became_nan_are_an_error_in_test(training):
    model, *_ = training
    config = load_config("swahr_tiny_synthetic")
    batch = pseudo_collate([pack(config, *make_images((100, 80)), input_size=64)])
    model.eval()
    assert len(model.test_step(batch)) == 1
    model.head.final_layers[1].bias.data[0] = np.nan
    with pytest.raises(NotFiniteError, match="1 of the network's 17 heatmaps hold NaN"):
        model.test_step(batch)
