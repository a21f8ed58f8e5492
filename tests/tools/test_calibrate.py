"""Error bars, from labelled images to the results of applications."""

import json
import re

import cv2
import numpy as np
import pytest
from mmpose.apis import inference_bottomup, init_model

from swahr_mmpose import config_path
from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.decoding.error_bars import ErrorBars

NAME = "swahr_tiny_synthetic"


@pytest.mark.slow
def test_error_bars_reach_the_results(run, drawn, tmp_path):
    images, out = drawn / "images" / "val", tmp_path / "calibrated.pth"
    options = ["--data", drawn / "annotations" / "val.json", "--images", images, "--out", out]
    code, said, error = run("calibrate.py", NAME, *options)
    assert code == 0, error
    rows = (line.split(" | ") for line in said.splitlines() if re.match(r"\| .* \| [01]\.", line))
    rho = {row[0][2:]: float(row[1]) for row in rows}
    assert rho["width / height"] > max(0.2, rho["size of the person"])
    code, said, error = run("research/error_bars.py", NAME, *options[:-2], "--num-images", 12)
    assert code == 0, error
    assert "| distance between strides |" in said

    image = cv2.imread(str(next(images.iterdir())))
    model = init_model(str(config_path(NAME)), str(out), device="cpu")
    model.test_cfg["output_heatmaps"] = True
    (sample,) = inference_bottomup(model, image)
    people, scale = sample.pred_instances, sample.input_scale[0] / sample.input_size[0]
    places = (people.keypoints - sample.input_center + sample.input_scale / 2) / scale
    bars = ErrorBars(**model.dataset_meta["error_bars"])
    expected = scale * bars.keypoint_sigmas(places, sample.pred_fields.heatmaps.numpy())
    found = people.keypoints_found
    assert found.any()
    np.testing.assert_allclose(people.keypoint_sigmas, np.where(found, expected, 0), rtol=1e-4)

    inferencer = BottomupInferencer(NAME, out, device="cpu")
    ((person, *_),) = next(inferencer(image))["predictions"]
    cv2.imwrite(str(tmp_path / "image.png"), image)
    results = tmp_path / "results.jsonl"
    options = ["--config", NAME, "--checkpoint", out, "--out", results, "--workers", 0]
    assert run("predict.py", tmp_path / "image.png", *options)[0] == 0
    (line,) = results.read_text().splitlines()
    written = json.loads(line)["people"][0]["keypoint_sigmas"]
    np.testing.assert_allclose(written, person["keypoint_sigmas"], atol=2e-3)
    # they are for maps that are averaged with the mirrored image's
    alone = BottomupInferencer(NAME, out, device="cpu", flip_test=False)
    assert "keypoint_sigmas" not in next(alone(image))["predictions"][0][0]
