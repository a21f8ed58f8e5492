"""Receipts of tests."""

import json
import shutil

import cv2
import pytest

from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.checkpoints.reading import read_checkpoint

from ..helpers import ROOT, save

NAME = "swahr_tiny_synthetic"


def test_a_receipt_tells_weights_and_images_apart(run, synthetic_data, tmp_path):
    def verify(*options):
        out = tmp_path / "receipt.json"
        code, said, error = run("verify.py", NAME, "--data", data, "--out", out, *options)
        assert f"Wrote {out}." in said, error
        return code, json.loads(out.read_text())

    data = shutil.copytree(synthetic_data, tmp_path / "copy")
    _, first = verify()
    assert first["data"]["images"] == 8
    assert first["ap_interval"][0] <= first["ap"] <= first["ap_interval"][1]
    assert verify("--expect", first["ap"])[0] == 0
    # α hardly moves
    assert first["widths"]["mean"] == pytest.approx(1, abs=0.05)
    assert 0 < first["widths"]["deviation"] < 0.05
    assert abs(first["widths"]["correlation_with_size"]) <= 1

    checkpoint = read_checkpoint(weights_of(NAME))
    checkpoint["state_dict"]["head.final_layers.1.bias"] -= 1
    for name in [name for name in checkpoint["state_dict"] if "scale_layers" in name]:
        del checkpoint["state_dict"][name]
    (image, *_) = (data / "images" / "val").iterdir()
    cv2.imwrite(str(image), 255 - cv2.imread(str(image)))
    options = ["--checkpoint", save(checkpoint, tmp_path / "a.pth"), "--expect", first["ap"]]
    code, other = verify(*options)
    assert code == 1
    assert other["ap"] < first["ap"]
    assert other["widths"] is None
    for part in ("weights", "data"):
        assert other[part]["sha256"] != first[part]["sha256"]


def test_the_receipt_in_the_docs_is_of_the_packaged_network(run):
    receipt = json.loads((ROOT / "docs" / "receipts" / f"{NAME}.json").read_text())
    assert receipt["weights"]["bytes"] == (ROOT / weights_of(NAME)).stat().st_size
    low, high = receipt["ap_interval"]
    table = (ROOT / "docs" / "verified.md").read_text()
    assert f"| `{NAME}` | {receipt['ap']} ({low} to {high}) | {receipt['expected']} |" in table
    assert receipt["weights"]["sha256"][:8] in table
    assert receipt["data"]["sha256"][:8] in table
