"""A keypoint at a known place comes back from the whole path, at every sub-pixel phase."""

import numpy as np
import pytest
from mmengine.dataset import Compose, pseudo_collate

from .helpers import dataset_meta, load_config
from .oracle import oracle_model

#: Half a stride-2 pixel, what truncating to a map pixel costs, and the quarter of an input pixel
#: by which the decoder moves towards the higher neighbour, which may be the wrong one.
TOLERANCE = 1.0 + 0.25


@pytest.mark.parametrize("size", [(512, 512), (832, 512), (512, 704), (320, 213), (187, 250)])
@pytest.mark.parametrize("multiscale", ["", "_multiscale"])
@pytest.mark.parametrize("flip_test", [False, True])
def test_a_keypoint_comes_back(size, multiscale, flip_test):
    config = load_config(f"swahr_hrnet_w32_coco{multiscale}")
    model = oracle_model(config, flip_test=flip_test)
    pipeline = Compose(config.test_dataloader.dataset.pipeline)
    w, h = size
    # an image pixel is this many input pixels; at scale 0.5 a map pixel is twice as large, but
    # the finer scales decide
    zoom = 512 / min(size)
    rng = np.random.default_rng(0)
    phases = np.linspace(0, 4, 17, endpoint=False) / zoom
    place = np.array([0.4 * w, 0.6 * h]).round()
    keypoints = place + np.stack([phases, rng.permutation(phases)], axis=-1)
    packed = pipeline(
        dict(
            img=np.zeros((h, w, 3), np.uint8),
            img_path=None,
            keypoints=keypoints[None].astype(np.float32),
            keypoints_visible=np.ones((1, 17), np.float32),
            **dataset_meta(config),
        )
    )
    (sample,) = model.test_step(pseudo_collate([packed]))
    (found,) = sample.pred_instances.keypoints
    assert np.abs(found - keypoints).max() * zoom <= TOLERANCE
