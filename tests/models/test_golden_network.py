"""The whole network and the whole test path against the official implementation."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmpose.apis import inference_bottomup, init_model

from swahr_mmpose.synthetic import SyntheticOptions
from swahr_mmpose.synthetic.dataset import generate_image

from ..helpers import (
    build_model,
    dataset_meta,
    golden,
    load_config,
    official_weights,
    paddle_weights,
    weights_of,
)


def official_model(config_name, weights_name, salt):
    config = load_config(config_name)
    model = build_model(config).eval()
    model.load_state_dict(official_weights(weights_name, salt))
    return model, config


@pytest.mark.parametrize(
    ("weights", "config"),
    [("coco_w32", "swahr_hrnet_w32_coco"), ("crowdpose_w48", "swahr_hrnet_w48_crowdpose")],
)
@torch.no_grad()
def test_network_outputs_are_the_official_ones(weights, config, device):
    numbers = golden(f"network_{weights}")
    model, _ = official_model(config, weights, int(numbers["salt"]))
    output = model.to(device)(torch.from_numpy(numbers["x"]).to(device), None, mode="tensor")
    for level, tags in enumerate([[output.tags], []]):
        ours = torch.cat([output.scales[level], output.heatmaps[level], *tags], dim=1).cpu().numpy()
        expected = numbers[f"out_{level}"]
        np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("case", "config"),
    [
        pytest.param("single", "swahr_hrnet_w32_coco", marks=pytest.mark.slow),
        ("single_noflip", "swahr_hrnet_w32_coco"),
        pytest.param("multi", "swahr_hrnet_w32_coco_multiscale", marks=pytest.mark.slow),
    ],
)
@torch.no_grad()
def test_test_path_is_the_official_one(case, config, device):
    numbers = golden(f"e2e_coco_{case}")
    model, config = official_model(config, "coco_w32", int(numbers["salt"]))
    model = model.to(device)
    model.test_cfg = dict(flip_test=bool(numbers["flip"]), output_heatmaps=True)
    pipeline = Compose(config.test_dataloader.dataset.pipeline)
    image = numbers["image"][..., ::-1].copy()
    packed = pipeline(dict(img=image, img_path=None, **dataset_meta(config)))
    inputs = packed["inputs"] if isinstance(packed["inputs"], list) else [packed["inputs"]]
    sizes = sorted((tuple(scale.shape[1:]) for scale in inputs), reverse=True)
    assert sizes == [tuple(size) for size in numbers["network_sizes_hw"]]

    sample = model.test_step(pseudo_collate([packed]))[0]
    fields = sample.pred_fields.cpu()
    heatmaps, tags = fields.heatmaps.numpy(), fields.tags.numpy()
    assert heatmaps.shape[:0:-1] == tuple(numbers["base_size_wh"])
    tags = tags.reshape(-1, *heatmaps.shape).transpose(1, 2, 3, 0)
    for ours, name in ((heatmaps, "heatmaps"), (tags, "tags")):
        expected = numbers[name]
        # 3e-7 with the pinned versions; other versions of OpenCV warp the image otherwise
        np.testing.assert_allclose(
            ours[:, 3::16, 5::16], expected, atol=2e-4 * np.ptp(expected), err_msg=name
        )
    # the mapping that the estimator applies to keypoints
    meta = sample.metainfo
    in_image = (
        numbers["points_in_net"] / meta["input_size"] * meta["input_scale"]
        + meta["input_center"]
        - 0.5 * meta["input_scale"]
    )
    np.testing.assert_allclose(in_image, numbers["points_in_image"], atol=1e-2)
    people = sample.pred_instances
    assert people.keypoints.shape[1:] == (17, 2)
    assert len(people.bboxes) == len(people.bbox_scores) == len(people.keypoints) > 0


@pytest.mark.parametrize(
    ("case", "config"),
    [("coco_w32", "higherhrnet_w32_coco"), ("crowdpose_w32", "higherhrnet_w32_crowdpose")],
)
@torch.no_grad()
def test_checkpoints_of_mmpose_0x_load_as_they_are(case, config, tmp_path):
    """And give what MMPose 0.29 computed with them."""
    numbers = golden(f"mmpose0x_{case}")
    reference = build_model(load_config(config)).state_dict()
    keys = numbers["keys"].tolist()
    shapes = {key: reference[key.replace("keypoint_head.", "head.")].shape for key in keys}
    path = tmp_path / "mmpose0x.pth"
    meta = dict(mmpose_version="0.29.0", epoch=300)
    state_dict = weights_of(shapes, int(numbers["salt"]))
    torch.save(dict(meta=meta, state_dict=state_dict, optimizer=dict(state={})), path)
    model = init_model(load_config(config), str(path), device="cpu")
    output = model(torch.from_numpy(numbers["x"]).float(), None, mode="tensor")
    coarse = torch.cat([output.heatmaps[0], output.tags], dim=1).numpy()
    for ours, expected in (
        (coarse, numbers["out_0"]),
        (output.heatmaps[1].numpy(), numbers["out_1"]),
    ):
        np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


def paddle_model(config, path, has_scales=True):
    """A network with PaddleDetection's weights; those of HigherHRNet have no scale branch."""
    weights = {k: v for k, v in paddle_weights().items() if has_scales or "scalelayer" not in k}
    path.write_bytes(pickle.dumps(weights, protocol=4))
    return init_model(config, str(path), device="cpu")


@pytest.mark.parametrize(
    "config", ["swahr_hrnet_w32_coco", "swahr_hrnet_w32_coco_multiscale", "higherhrnet_w32_coco"]
)
@torch.no_grad()
def test_weights_of_paddledetection_give_its_maps(config, tmp_path):
    numbers = golden("paddle_coco_w32_swahr")
    is_swahr = config.startswith("swahr")
    model = paddle_model(load_config(config), tmp_path / "a.pdparams", is_swahr)
    output = model(torch.from_numpy(numbers["x"]), None, mode="tensor")
    pairs = [
        (torch.cat([output.heatmaps[0], output.tags], dim=1), "out_0"),
        (output.heatmaps[1], "out_1"),
    ]
    if is_swahr:
        pairs += [(output.scales[0], "scale_0"), (output.scales[1], "scale_1")]
    for ours, name in pairs:
        expected = numbers[name]
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-4 * np.abs(expected).max())


@torch.no_grad()
def test_widths_of_paddledetections_scale_branch_are_in_pixels_of_the_image(tmp_path):
    config = load_config("swahr_hrnet_w32_coco")
    config.model.test_cfg = dict(output_scales=True)
    config.test_dataloader.dataset.pipeline[1].input_size = 128
    model = paddle_model(config, tmp_path / "swahr.pdparams")
    maps = []
    model.head.scale_layers[1].register_forward_hook(lambda *call: maps.append(call[2][0].numpy()))
    image, _ = generate_image(SyntheticOptions(num_images=1, long_side=300), 0)
    (sample,) = inference_bottomup(model, image)
    people, (alpha,) = sample.pred_instances, maps
    # 2 px at stride 2, and the image's pixels in one of the input's
    pixels = sample.input_scale / sample.input_size
    x, y = ((people.keypoints - sample.input_center + sample.input_scale / 2) / pixels / 2).T
    rows, columns = (np.clip(v.astype(int), 0, n - 1) for v, n in zip((y, x), alpha.shape[1:]))
    there = alpha[np.arange(17)[:, None], rows, columns].T
    expected = 4 / np.sqrt(np.maximum(1 + there, 1 / 16)) * pixels[0]
    found = people.keypoints_found
    assert np.ptp(expected[found]) > 0.1
    np.testing.assert_allclose(people.keypoint_widths[found], expected[found], rtol=1e-4)
