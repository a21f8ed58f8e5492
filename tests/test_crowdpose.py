"""CrowdPose's keypoints as this package assumes them, against MMPose's description."""

import numpy as np

from .helpers import dataset_meta, load_config

NAMES = [
    *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")),
    "top_head",
    "neck",
]
#: the official evaluation's, in the same order
SIGMAS = [79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 79, 79]
#: the official flip test's
FLIP_INDICES = [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13]


def test_keypoints_flip_pairs_and_sigmas():
    meta = dataset_meta(load_config("swahr_hrnet_w48_crowdpose"))
    names = [meta["keypoint_id2name"][index] for index in range(meta["num_keypoints"])]
    assert names == NAMES
    assert list(meta["flip_indices"]) == FLIP_INDICES
    np.testing.assert_allclose(meta["sigmas"], np.array(SIGMAS) / 1000)


def test_protocol_is_trainval_and_test_by_crowd_level():
    config = load_config("swahr_hrnet_w48_crowdpose")
    assert config.train_dataloader.dataset.ann_file.endswith("crowdpose_trainval.json")
    assert config.test_dataloader.dataset.ann_file.endswith("crowdpose_test.json")
    assert config.test_evaluator.iou_type == "keypoints_crowd"
    assert not config.test_evaluator.use_area
