"""The images of docs/method.md, through the tool's door."""

import cv2
import numpy as np
import torch
from research import draw_method as tool

from ...helpers import ROOT


def test_it_draws_all_images_of_the_page(tmp_path):
    assert tool.main(["--out", str(tmp_path / "new")]) == 0
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    page = (ROOT / "docs/method.md").read_text(encoding="utf-8")
    assert len(names) == 3
    for name in names:
        assert f"(images/{name})" in page
        image = cv2.imread(str(tmp_path / "new" / name))
        assert image.std() > 10
        assert (tmp_path / "new" / name).stat().st_size < 150_000


def test_gradients_are_those_of_the_squared_error_and_of_the_formula():
    """Without weight and width ∂L/∂P is 2(P − G); ∂L/∂α at α = 0 is −2(P − G)·G ln G."""
    pred = tool.prediction(height=0.7, sigma=2.6, shift=1.0)
    by_pred, by_scale = tool.gradients(pred, 0.0, None)
    difference = (pred - tool.target())[0, 0]
    torch.testing.assert_close(by_pred, 2 * difference)
    target = tool.target()[0, 0]
    log = torch.where(target > 0, target, torch.ones_like(target)).log()
    torch.testing.assert_close(by_scale, -2 * difference * target * log)
    assert np.argmax(tool.profile(tool.target())) == tool.CENTER
