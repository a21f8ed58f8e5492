"""The registered codec: targets of two resolutions, and decoding by associative embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor

from ..decoding import DecodeOptions, People, read_people
from ..layout import STRIDES, TAG_LEVEL, map_sizes
from ..utils.arguments import size_of
from .targets import keypoint_centers, keypoint_indices, render_heatmaps
from .torch_decoding import decode_with_torch


class _CodecOptions(DecodeOptions):
    """Messages speak of the codec's arguments."""

    prefix = "decode_"


@KEYPOINT_CODECS.register_module()
class ScaleAdaptiveHeatmap(BaseKeypointCodec):
    r"""Codec of HigherHRNet and SWAHR: Gaussian heatmaps at strides 4 and 2, tags at stride 4.

    The base width σ0 is the same number of *map* pixels at both resolutions; the scale branch
    adapts it during training (:class:`swahr_mmpose.models.losses.WeightAdaptiveLoss`).

    Args:
        input_size: (w, h) of the network input in training, in pixels.
        heatmap_sizes: (w, h) of the maps in map pixels, highest stride first.
        sigma: Base width σ0 in map pixels.
        encode_heatmaps: Whether :meth:`encode` gives heatmaps. Without, people's keypoints travel
            through the data loader, and the head renders the same heatmaps on its device.
        decode_keypoint_thr: A candidate's heatmap value must be over this.
        decode_tag_thr: Tag distance from which on a candidate does not join a person.
        decode_topk: Candidates per keypoint.
        decode_nms_kernel: Side of the non-maximum suppression window in map pixels.
        decode_max_instances: Keep this many people, those of highest score. None keeps all, as
            the official implementation does.
        decode_fill_missing: Whether keypoints that were not found are filled in.
        decode_keypoint_order: Order in which keypoints join people. None is the official order.
        decode_grouping: ``'official'``, or ``'score_first'``: candidates choose people in order of
            their scores.
        decode_min_score: People of a lower score are left out, before their missing keypoints are
            filled in.
        decode_pose_nms_thr: Whoever has a higher OKS than this with someone of higher score is left
            out. None keeps all, as the official implementation does.
        decode_keypoint_sigmas: The dataset's ``sigmas``, for OKS. None: COCO's, for 17 keypoints.
        num_keypoints: K, for checking annotations and head against. None checks nothing.
        tag_dim: L, for checking the head against. None checks nothing.

    Raises:
        ValueError: If the sizes are not those of strides 4 and 2, in this order, or an option is
            out of its range.

    Examples:
        >>> codec = ScaleAdaptiveHeatmap((64, 64), [(16, 16), (32, 32)])
        >>> targets = codec.encode(np.array([[[20.0, 8.0], [40.0, 30.0]]]))
        >>> [heatmaps.shape for heatmaps in targets["heatmaps"]]
        [(2, 16, 16), (2, 32, 32)]
    """

    field_mapping_table = dict(heatmaps="heatmaps", heatmap_mask="heatmap_mask")
    label_mapping_table = dict(
        keypoint_indices="keypoint_indices",
        keypoint_centers="keypoint_centers",
    )

    def __init__(
        self,
        input_size: tuple[int, int],
        heatmap_sizes: Sequence[tuple[int, int]],
        sigma: float = 2.0,
        encode_heatmaps: bool = True,
        decode_keypoint_thr: float = 0.1,
        decode_tag_thr: float = 1.0,
        decode_topk: int = 30,
        decode_nms_kernel: int = 5,
        decode_max_instances: int | None = None,
        decode_fill_missing: bool = True,
        decode_keypoint_order: Sequence[int] | None = None,
        decode_grouping: str = "official",
        decode_min_score: float = 0.0,
        decode_pose_nms_thr: float | None = None,
        decode_keypoint_sigmas: Sequence[float] | None = None,
        num_keypoints: int | None = None,
        tag_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.input_size = size_of(input_size, "input_size")
        self.heatmap_sizes = map_sizes(self.input_size)
        if [tuple(size) for size in heatmap_sizes] != self.heatmap_sizes:
            raise ValueError(
                f"`heatmap_sizes` {list(heatmap_sizes)} must be those of the network's strides "
                f"{STRIDES}, in this order: for `input_size` {self.input_size} use "
                f"`heatmap_sizes={self.heatmap_sizes}`."
            )
        if not 0 < sigma < math.inf:
            raise ValueError(f"`sigma` must be finite and positive map pixels, but got {sigma!r}.")
        self.sigma = float(sigma)
        self.encode_heatmaps = encode_heatmaps
        self.num_keypoints = num_keypoints
        self.tag_dim = tag_dim
        self.decode_options: DecodeOptions = _CodecOptions(
            keypoint_thr=decode_keypoint_thr,
            tag_thr=decode_tag_thr,
            topk=decode_topk,
            nms_kernel=decode_nms_kernel,
            max_instances=decode_max_instances,
            fill_missing=decode_fill_missing,
            keypoint_order=decode_keypoint_order,
            grouping=decode_grouping,
            min_score=decode_min_score,
            pose_nms_thr=decode_pose_nms_thr,
            keypoint_sigmas=decode_keypoint_sigmas,
        )

    def encode(
        self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Targets of one image.

        Args:
            keypoints: (N, K, 2), x and y in input pixels.
            keypoints_visible: (N, K), positive where labelled. None means all.

        Returns:
            ``heatmaps``, a list with one (K, H, W) float32 array per size, highest stride first;
            ``keypoint_indices`` (N, K, 2) int64, (y·W + x, 1) in the map of highest stride, zeros
            where not visible or outside; ``keypoint_weights`` (N, K) float32, 1 where visible and
            inside. With ``encode_heatmaps=False`` instead of ``heatmaps`` ``keypoint_centers``
            (N, K, 2, 2) int32, per size x and y in map pixels, −1 where not visible or outside.
            In any case ``target_sigma``, σ0, and ``heatmap_sizes``, (w, h) of each map.

        Raises:
            ValueError: If people have another number of keypoints than ``num_keypoints``.
        """
        if self.num_keypoints not in (None, keypoints.shape[1]):
            raise ValueError(
                f"The annotations have {keypoints.shape[1]} keypoints per person, but the codec "
                f"is for `num_keypoints={self.num_keypoints}`. Use a codec (and head) for the "
                "dataset's keypoints, or the dataset that the config is for."
            )
        if keypoints_visible is None:
            keypoints_visible = np.ones(keypoints.shape[:2], dtype=np.float32)
        centers = [
            keypoint_centers(keypoints, keypoints_visible, self.input_size, size)
            for size in self.heatmap_sizes
        ]
        indices = keypoint_indices(centers[TAG_LEVEL], self.heatmap_sizes[TAG_LEVEL])
        encoded: dict[str, Any] = dict(
            keypoint_indices=indices,
            keypoint_weights=indices[..., 1].astype(np.float32),
            heatmap_sizes=self.heatmap_sizes,
            target_sigma=self.sigma,
        )
        if self.encode_heatmaps:
            encoded["heatmaps"] = [
                render_heatmaps(torch.from_numpy(own)[None], size, self.sigma)[0].numpy()
                for own, size in zip(centers, self.heatmap_sizes)
            ]
        else:
            encoded["keypoint_centers"] = np.stack(centers, axis=2)
        return encoded

    def decode(self, encoded: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (P, K, 2) in map pixels and scores (P, K) of one image's heatmaps and tags."""
        heatmaps, tags = encoded
        keypoints, scores, _ = self.batch_decode(heatmaps[None], tags[None])
        return keypoints[0], scores[0]

    def batch_decode(
        self, heatmaps: Tensor, tags: Tensor, input_size: tuple[int, int] | None = None
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """People of each image.

        Args:
            heatmaps: (B, K, H, W).
            tags: (B, L·K, H, W), channel ``l * K + k``.
            input_size: (w, h); where given, coordinates are scaled from the maps to this size.

        Returns:
            Per image keypoints (P, K, 2), in the maps' own pixels or those of ``input_size``;
            keypoint scores (P, K); instance scores (P,), from keypoint scores before filling.

        Raises:
            ValueError: As :meth:`read_people`.
        """
        people = self.read_people(heatmaps, tags)
        size = heatmaps.shape[:1:-1]
        scale = np.divide(size if input_size is None else input_size, size)
        return (
            [(image.keypoints * scale).astype(np.float32) for image in people],
            [image.keypoint_scores for image in people],
            [image.instance_scores for image in people],
        )

    @torch.no_grad()
    def read_people(self, heatmaps: Tensor, tags: Tensor) -> list[People]:
        """As :meth:`batch_decode`: people of each image, in map pixels.

        Raises:
            ValueError: If the shapes do not fit together, the maps hold NaN or infinity, or
                ``decode_keypoint_order`` is not an order of the K keypoints.
        """
        batch_size, num_keypoints, *size = heatmaps.shape
        num_tags = tags.shape[1] // num_keypoints
        if len(size) != 2 or tags.shape != (batch_size, num_tags * num_keypoints, *size):
            raise ValueError(
                f"Tags of shape {tuple(tags.shape)} do not fit heatmaps of shape "
                f"{tuple(heatmaps.shape)}: heatmaps must be (B, K, H, W), and tags (B, L·K, H, W)."
            )
        tags = tags.unflatten(1, (num_tags, num_keypoints))
        heatmaps, tags = heatmaps.detach().float(), tags.detach().float()
        if heatmaps.device.type != "cpu":
            return decode_with_torch(heatmaps, tags, self.decode_options)
        return [
            read_people(*maps, self.decode_options) for maps in zip(heatmaps.numpy(), tags.numpy())
        ]
