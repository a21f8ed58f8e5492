"""A perfect model: the ground truth rendered to heatmaps and tags, in place of a network."""

import numpy as np
import torch
from mmpose.registry import MODELS

from swahr_mmpose.codecs.targets import keypoint_centers, render_heatmaps
from swahr_mmpose.layout import STRIDES
from swahr_mmpose.models import BottomupPyramidEstimator, HigherHRNetHead
from swahr_mmpose.models.outputs import HeadOutput

from .helpers import nearest_person

SIGMA = 2.0

#: Between the tags of two people: beyond the decoder's threshold of 1.
TAG_SPACING = 2.0


@MODELS.register_module()
class OracleHead(HigherHRNetHead):
    """Renders what it is given instead of features: (size (w, h), keypoints, visible,
    flipped)."""

    #: Whether Gaussians are drawn at the keypoint's very place instead of the target's map pixel.
    subpixel = False

    @staticmethod
    def places(keypoints, stride, width, flipped):
        """Half a map pixel back: decoding adds it, for targets that are truncated.

        Seen in a mirror it is the same place, as for a network that a mirror does not deceive.
        """
        if not flipped:
            return keypoints / stride - 0.5
        mirrored = np.array([width - 1, 0]) + keypoints * (-1, 1)
        return (mirrored / stride - 0.5) * (-1, 1) + (width // stride - 1, 0)

    def predict_maps(self, feats, with_scales=False):
        size, keypoints, visible, flipped = feats
        heatmaps = []
        for stride in STRIDES:
            map_size = (size[0] // stride, size[1] // stride)
            centers = keypoint_centers(keypoints, visible, size, map_size)
            valid = centers[..., 0] >= 0
            if self.subpixel:
                places = self.places(np.asarray(keypoints), stride, size[0], flipped)
                maps = torch.from_numpy(render_subpixel(places, valid, map_size))[None]
            else:
                places = centers
                maps = render_heatmaps(torch.from_numpy(centers)[None], map_size, SIGMA)
            heatmaps.append(maps)
            if stride == STRIDES[0]:
                tags = np.zeros(maps.shape[1:], np.float32)
                if len(places):
                    tags = TAG_SPACING * nearest_person(places, valid, map_size)
        return HeadOutput(tuple(heatmaps), torch.from_numpy(tags.astype(np.float32))[None])


def render_subpixel(places, valid, map_size):
    """Heatmaps (K, H, W) with Gaussians centred between pixels."""
    w, h = map_size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    heatmaps = np.zeros((valid.shape[1], h, w), dtype=np.float32)
    for person, k in np.argwhere(valid):
        px, py = places[person, k]
        left, top = max(int(px) - 8, 0), max(int(py) - 8, 0)
        region = (slice(top, int(py) + 9), slice(left, int(px) + 9))
        squared = (x[region] - px) ** 2 + (y[region] - py) ** 2
        values = np.exp(-squared / (2 * SIGMA**2))
        np.maximum(heatmaps[k][region], values, out=heatmaps[k][region])
    return heatmaps


@MODELS.register_module()
class OracleEstimator(BottomupPyramidEstimator):
    """The real test path with :class:`OracleHead` for network and head; one image a batch."""

    def _check_features(self):
        """There are none: see :meth:`extract_feat`."""

    def forward(self, inputs, data_samples=None, mode="tensor"):
        (self._sample,) = data_samples
        self._num_passes = 0
        return super().forward(inputs, data_samples, mode)

    def extract_feat(self, images):
        flipped = self.test_cfg.get("flip_test", False) and self._num_passes % 2 == 1
        self._num_passes += 1
        meta, people = self._sample.metainfo, self._sample.gt_instances
        size = np.array(images.shape[:1:-1])
        if "keypoints" not in people:
            return tuple(size), np.zeros((0, 17, 2)), np.zeros((0, 17)), flipped
        top_left = meta["input_center"] - 0.5 * meta["input_scale"]
        keypoints = (people.keypoints - top_left) * size / meta["input_scale"]
        visible = people.keypoints_visible
        if flipped:
            order = meta["flip_indices"]
            keypoints, visible = keypoints[:, order].copy(), visible[:, order]
            keypoints[..., 0] = size[0] - 1 - keypoints[..., 0]
        return tuple(int(side) for side in size), keypoints, visible, flipped


def oracle_model(config, subpixel=False, **test_cfg):
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
    model = MODELS.build(model).eval()
    model.head.subpixel = subpixel
    return model
