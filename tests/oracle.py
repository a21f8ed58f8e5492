"""A perfect model: the ground truth rendered to heatmaps and tags, in place of a network."""

import numpy as np
import torch
from mmpose.registry import MODELS

from swahr_mmpose.codecs.targets import keypoint_centers, render_heatmaps, support_radius
from swahr_mmpose.layout import STRIDES
from swahr_mmpose.models import BottomupPyramidEstimator, HigherHRNetHead
from swahr_mmpose.models.aggregation import merge_resolutions

SIGMA = 2.0


@MODELS.register_module()
class OracleHead(HigherHRNetHead):
    """Renders what it is given instead of features: (size (w, h), keypoints, visible)."""

    def pose_maps(self, feats):
        size, keypoints, visible = feats
        heatmaps = []
        for stride in STRIDES:
            map_size = (size[0] // stride, size[1] // stride)
            centers, valid = keypoint_centers(keypoints, visible, size, map_size)
            heatmaps.append(torch.from_numpy(render_heatmaps(centers, valid, map_size, SIGMA)))
            if stride == STRIDES[0]:
                tags = torch.from_numpy(render_tags(centers, valid, map_size))
        return merge_resolutions([maps[None] for maps in heatmaps]), tags[None]


def render_tags(centers, valid, map_size):
    """Around each keypoint the number of the nearest person, ten times; (K, H, W)."""
    w, h = map_size
    num_keypoints = valid.shape[1]
    y, x = np.mgrid[:h, :w]
    # far from any person's tag where no keypoint is near
    tags = np.full((num_keypoints, h, w), -100.0, dtype=np.float32)
    nearest = np.full((num_keypoints, h, w), (support_radius(SIGMA) + 0.5) ** 2)
    for person, k in np.argwhere(valid):
        distance = (x - centers[person, k, 0]) ** 2 + (y - centers[person, k, 1]) ** 2
        closer = distance < nearest[k]
        tags[k][closer] = 10.0 * (person + 1)
        nearest[k][closer] = distance[closer]
    return tags


@MODELS.register_module()
class OracleEstimator(BottomupPyramidEstimator):
    """The real test path with :class:`OracleHead` for network and head; one image a batch."""

    def predict(self, inputs, data_samples):
        (self._sample,) = data_samples
        self._num_passes = 0
        return super().predict(inputs, data_samples)

    def extract_feat(self, images):
        flipped = self.test_cfg.get("flip_test", False) and self._num_passes % 2 == 1
        self._num_passes += 1
        meta, people = self._sample.metainfo, self._sample.gt_instances
        size = np.array(images.shape[:1:-1])
        if "keypoints" not in people:
            return tuple(size), np.zeros((0, 17, 2)), np.zeros((0, 17))
        top_left = meta["input_center"] - 0.5 * meta["input_scale"]
        keypoints = (people.keypoints - top_left) * size / meta["input_scale"]
        visible = people.keypoints_visible
        if flipped:
            order = meta["flip_indices"]
            keypoints, visible = keypoints[:, order].copy(), visible[:, order]
            keypoints[..., 0] = size[0] - 1 - keypoints[..., 0]
        return tuple(int(side) for side in size), keypoints, visible


def oracle_model(config, **test_cfg):
    """The perfect model for a config's codec and keypoints."""
    head = dict(
        type="OracleHead",
        in_channels=4,
        num_keypoints=config.model.head.num_keypoints,
        num_basic_blocks=0,
        decoder=config.model.head.decoder,
    )
    model = dict(
        type="OracleEstimator",
        backbone=dict(type="ResNet", depth=18),  # not run
        head=head,
        test_cfg=test_cfg,
        data_preprocessor=config.model.data_preprocessor,
    )
    return MODELS.build(model).eval()
