"""The network and its decoding: `model` and `data_cfg` of MMPose 0.x."""

from __future__ import annotations

from typing import Any

from mmpose.registry import KEYPOINT_CODECS

from .old_config import OldConfig, OldConfigError, check_settings

#: The order of COCO's 17 keypoints is this package's default. MMPose 0.x takes others as they come.
_COCO_KEYPOINTS = 17


def codec_of(old: OldConfig, num_keypoints: int) -> dict[str, Any]:
    """The codec, from ``data_cfg`` and ``model.test_cfg``.

    Raises:
        OldConfigError: If the heatmaps are not at strides 4 and 2, or the codec refuses a value.
    """
    size = old.take("data_cfg.image_size")
    width, height = (size, size) if isinstance(size, int) else size
    sizes = [[side, side] if isinstance(side, int) else list(side)
             for side in old.take("data_cfg.heatmap_size")]  # fmt: skip
    expected = [[width // stride, height // stride] for stride in (4, 2)]
    if sizes != expected:
        raise OldConfigError(
            f"`data_cfg.heatmap_size` is {sizes} for images of {width}×{height}, and must be "
            f"{expected}: HigherHRNet has heatmaps at strides 4 and 2. Other networks have no "
            "counterpart here."
        )
    if width != height:
        old.put("data_cfg.image_size", size)
    codec = dict(
        type="ScaleAdaptiveHeatmap",
        input_size=(width, height),
        heatmap_sizes=[tuple(side) for side in sizes],
        sigma=float(old.take("data_cfg.base_sigma", 2)),
        encode_heatmaps=False,
        decode_topk=old.take("model.test_cfg.max_num_people", 30),
        decode_nms_kernel=old.take("model.test_cfg.nms_kernel", 5),
        decode_keypoint_thr=old.take("model.test_cfg.detection_threshold", 0.1),
        decode_tag_thr=float(old.take("model.test_cfg.tag_threshold", 1)),
        decode_fill_missing=old.take("model.test_cfg.refine", True),
    )
    if num_keypoints != _COCO_KEYPOINTS:
        codec["decode_keypoint_order"] = list(range(num_keypoints))
    check_settings(KEYPOINT_CODECS.get(codec["type"]), codec, "data_cfg` and `model.test_cfg")
    # MMPose 0.x aligns them where nothing is said
    old.put("model.test_cfg.align_corners", old.take("model.test_cfg.align_corners", True))
    for key, *values in (
        ("num_joints", num_keypoints),
        ("with_heatmaps", [True, True]),
        ("with_ae", [True, False]),
        ("project2image", True),
        ("align_corners", False),
        ("nms_padding", codec["decode_nms_kernel"] // 2),
        ("tag_per_joint", True),
        ("use_detection_val", True),
        ("ignore_too_much", False),
        ("adjust", True),
        ("use_udp", False),
    ):
        old.drop(f"model.test_cfg.{key}", *values)
    # the size that test images are given before they are resized is of no effect
    old.take("data_cfg.base_size", None)
    order = list(range(num_keypoints))
    for key, *values in (
        ("num_joints", num_keypoints),
        ("num_output_channels", num_keypoints),
        ("dataset_channel", [order]),
        ("inference_channel", order),
        ("num_scales", 2),
        ("scale_aware_sigma", False),
        ("use_udp", False),
    ):
        old.drop(f"data_cfg.{key}", *values)
    return codec


def head_of(old: OldConfig, codec: dict[str, Any]) -> dict[str, Any]:
    """The head, from ``model.keypoint_head``.

    Raises:
        OldConfigError: If it is not HigherHRNet's.
    """
    key = "model.keypoint_head"
    kind = old.take(f"{key}.type")
    if kind != "AEHigherResolutionHead":
        raise OldConfigError(
            f"`{key}.type` is '{kind}', and only 'AEHigherResolutionHead' (HigherHRNet) has a "
            "counterpart here. MMPose 1.x has an `AssociativeEmbeddingHead` of one resolution."
        )
    channels = old.take(f"{key}.in_channels")
    head: dict[str, Any] = dict(
        type="HigherHRNetHead",
        in_channels=channels,
        num_keypoints=old.take(f"{key}.num_joints"),
        num_basic_blocks=old.take(f"{key}.num_basic_blocks", 4),
        decoder=codec,
    )
    # MMPose 0.x has 32 where nothing is said, whatever comes in
    filters = list(old.take(f"{key}.num_deconv_filters", [32]))
    if len(filters) > 1:
        old.put(f"{key}.num_deconv_filters", filters)
    if filters != [channels]:
        head["deconv_channels"] = filters[0]
    for name, *values in (
        ("tag_per_joint", True),
        ("num_deconv_layers", 1),
        ("num_deconv_kernels", [4], (4,)),
        ("cat_output", [True], (True,)),
        ("with_ae_loss", [True, False]),
        ("extra.final_conv_kernel", 1),
    ):
        old.drop(f"{key}.{name}", *values)
    return {**head, **_losses_of(old, head["num_keypoints"])}


def _losses_of(old: OldConfig, num_keypoints: int) -> dict[str, Any]:
    key = "model.keypoint_head.loss_keypoint"
    push, pull = (_first(old, f"{key}.{name}_loss_factor", 0.001) for name in ("push", "pull"))
    weight = _first(old, f"{key}.heatmaps_loss_factor", 1.0, both=True)
    for name, value in (
        ("type", "MultiLossFactory"),
        ("num_joints", num_keypoints),
        ("num_stages", 2),
        ("ae_loss_type", "exp"),
        ("with_ae_loss", [True, False]),
        ("with_heatmaps_loss", [True, True]),
        ("supervise_empty", True),
    ):
        old.drop(f"{key}.{name}", value)
    return dict(
        heatmap_loss=dict(type="WeightAdaptiveLoss", gamma=None, loss_weight=weight),
        tag_loss=dict(type="TagGroupingLoss", pull_weight=pull, push_weight=push),
    )


def _first(old: OldConfig, key: str, default: float, both: bool = False) -> float:
    """The value at stride 4, which is that of stride 2, too, or, for tags, the only one."""
    values = old.take(key, [default, default])
    if both and values[0] != values[1]:
        old.put(key, values)
    return float(values[0])


def network_of(old: OldConfig) -> dict[str, Any]:
    """The backbone, where its weights come from, and how it is tested.

    Raises:
        OldConfigError: If it is no bottom-up network.
    """
    kind = old.take("model.type")
    if kind != "AssociativeEmbedding":
        raise OldConfigError(
            f"`model.type` is '{kind}', and only 'AssociativeEmbedding' has a counterpart here."
        )
    backbone = old.take("model.backbone")
    weights = old.take("model.pretrained", None)
    own = backbone.pop("init_cfg", None)
    if weights and own:
        old.put("model.backbone.init_cfg", own)
    backbone["init_cfg"] = dict(type="Pretrained", checkpoint=weights) if weights else own
    # settings of training that nothing in MMPose 0.x reads
    for name in ("num_joints", "img_size"):
        old.take(f"model.train_cfg.{name}", None)
    return dict(
        backbone={"_delete_": True, **backbone},
        test_cfg=dict(flip_test=old.take("model.test_cfg.flip_test", True)),
    )
