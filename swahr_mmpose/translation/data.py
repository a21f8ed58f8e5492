"""Datasets and pipelines: `data`, `train_pipeline` and `val_pipeline` of MMPose 0.x."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from ..datasets.metainfo import description_file
from ..datasets.transforms import (
    BottomupHorizontalFlip,
    BottomupPyramidResize,
    BottomupUniformAffine,
)
from .old_config import OldConfig, check_settings, plain

#: Ours for each dataset of MMPose 0.x, and the name in its description.
DATASETS = {
    "BottomUpCocoDataset": ("BottomupCocoDataset", "coco"),
    "BottomUpCrowdPoseDataset": ("BottomupCrowdPoseDataset", "crowdpose"),
    "BottomUpAicDataset": ("BottomupAicDataset", "aic"),
    "BottomUpCocoWholeBodyDataset": ("BottomupCocoWholeBodyDataset", "coco_wholebody"),
}

#: In MMPose 0.x shifts are in 200ths of the short side.
_SHIFT_UNIT = 200

#: Steps that have a counterpart, of training and of test.
_TRAIN_STEPS = {
    "LoadImageFromFile", "ToTensor", "Collect", "NormalizeTensor", "BottomUpRandomAffine",
    "BottomUpRandomFlip", "BottomUpGenerateTarget",
}  # fmt: skip
_TEST_STEPS = {"LoadImageFromFile", "Collect", "BottomUpGetImgSize", "BottomUpResizeAlign"}

#: What must be equal for two descriptions of a dataset to mean the same.
_DESCRIBED = ("keypoint_info", "skeleton_info", "joint_weights", "sigmas")


def dataloaders_of(old: OldConfig, codec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The three data loaders, and the data preprocessor."""
    loaders: dict[str, Any] = {}
    preprocessor: dict[str, Any] = {}
    shared = old.take("data.samples_per_gpu", None)
    shared_workers = old.take("data.workers_per_gpu", 2)
    old.drop("data.shuffle", True)
    old.drop("data.drop_last", False)
    train_kind = old.look("data.train.type")
    for part in ("train", "val", "test"):
        dataset = _dataset_of(old, part, train_kind)
        steps = _by_type(old.take(f"data.{part}.pipeline"))
        pipeline = _train_pipeline if part == "train" else _test_pipeline
        dataset["pipeline"] = pipeline(steps, codec, preprocessor, f"data.{part}.pipeline")
        _leave_steps(old, part, steps)
        if part == "test":
            scales = dataset["pipeline"][1]["scales"]
            old.drop("model.test_cfg.scale_factor", scales, sorted(scales))
        own = f"data.{part}_dataloader"
        # MMPose 0.x tests image by image
        batch_size = old.take(f"{own}.samples_per_gpu", shared if part == "train" else 1)
        workers = old.take(f"{own}.workers_per_gpu", shared_workers)
        old.drop(f"{own}.shuffle", part == "train")
        old.drop(f"{own}.drop_last", False)
        loaders[f"{part}_dataloader"] = dict(
            batch_size=batch_size or 1,
            num_workers=workers,
            persistent_workers=part != "train" and workers > 0,
            dataset=dataset,
        )
    return loaders, preprocessor


def _dataset_of(old: OldConfig, part: str, train_kind: str) -> dict[str, Any]:
    key = f"data.{part}"
    kind = old.take(f"{key}.type")
    ours, name = DATASETS.get(kind, ("BottomupCocoDataset", None))
    # the evaluators are those of the training's dataset
    if name is None or kind != train_kind:
        old.put(f"{key}.type", kind)
    dataset: dict[str, Any] = dict(
        type=ours,
        data_root="",
        ann_file=old.take(f"{key}.ann_file"),
        data_prefix=dict(img=old.take(f"{key}.img_prefix")),
    )
    description = old.take(f"{key}.dataset_info", None)
    if description and not _is_known(description, name):
        dataset["metainfo"] = description
    old.drop(f"{key}.test_mode", part != "train")
    return dataset


def _is_known(description: dict[str, Any], name: str | None) -> bool:
    """Whether it is the one of MMPose: copies of that are edited, and often keep its name."""
    if name is None or description["dataset_name"] != name:
        return False
    known = plain(Config.fromfile(description_file(name)).dataset_info.to_dict())
    return all(description.get(part) == known[part] for part in _DESCRIBED)


def _by_type(steps: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings of steps by their types, which nothing takes where they come again.

    Examples:
        >>> _by_type([dict(type="Flip", p=1), dict(type="Flip", p=2)])
        {'Flip': {'p': 1}, 'Flip[1]': {'p': 2}}
    """
    settings: dict[str, dict[str, Any]] = {}
    for number, step in enumerate(steps):
        name = step.pop("type")
        settings[f"{name}[{number}]" if name in settings else name] = step
    return settings


def _train_pipeline(
    steps: dict[str, Any], codec: dict[str, Any], preprocessor: dict[str, Any], key: str
) -> list[dict[str, Any]]:
    affine = steps.get("BottomUpRandomAffine", {})
    # without settings it is there all the same
    flip_prob = steps.get("BottomUpRandomFlip", {"flip_prob": 0.0}).pop("flip_prob", 0.5)
    pipeline = [
        dict(type="BottomupLoadImage"),
        dict(
            type="BottomupUniformAffine",
            input_size=codec["input_size"],
            rotation=affine.pop("rot_factor", 0),
            scale=tuple(affine.pop("scale_factor", (1.0, 1.0))),
            translation=affine.pop("trans_factor", 0) / _SHIFT_UNIT,
        ),
        dict(type="BottomupHorizontalFlip", prob=flip_prob),
        dict(type="GenerateTarget", encoder=codec),
        dict(type="BottomupHeatmapMask"),
        dict(type="BottomupPackInputs"),
    ]
    _drop(affine, scale_type="short", use_udp=False)
    targets = steps.get("BottomUpGenerateTarget", {})
    _drop(targets, sigma=codec["sigma"], use_udp=False)
    # there is no limit
    targets.pop("max_num_people", None)
    preprocessor.update(_normalisation(steps.pop("NormalizeTensor", None)))
    check_settings(BottomupUniformAffine, pipeline[1], f"{key}.BottomUpRandomAffine")
    check_settings(BottomupHorizontalFlip, pipeline[2], f"{key}.BottomUpRandomFlip")
    return pipeline


def _test_pipeline(
    steps: dict[str, Any], codec: dict[str, Any], preprocessor: dict[str, Any], key: str
) -> list[dict[str, Any]]:
    sizes = steps.get("BottomUpGetImgSize", {})
    scales = [float(scale) for scale in sizes.pop("test_scale_factor", [1])]
    align = steps.setdefault("BottomUpResizeAlign", {})
    _drop(sizes, current_scale=1)
    for step in (sizes, align):
        _drop(step, use_udp=False, base_length=64)
    left = _differing_transforms(align.pop("transforms", []), preprocessor)
    if left:
        align["transforms"] = left
    # scale 1 comes first, and gives the tags
    scales.sort(key=lambda scale: scale != 1)
    resize = dict(type="BottomupPyramidResize", input_size=min(codec["input_size"]), scales=scales)
    check_settings(BottomupPyramidResize, resize, f"{key}.BottomUpGetImgSize.test_scale_factor")
    return [dict(type="BottomupLoadImage"), resize, dict(type="BottomupPackInputs")]


def _differing_transforms(
    transforms: list[dict[str, Any]], preprocessor: dict[str, Any]
) -> dict[str, Any]:
    """What is done to test images and not in the training; both have one preprocessor."""
    steps = _by_type(transforms)
    _drop(steps.get("ToTensor", {}), device="cpu")
    left: dict[str, Any] = {
        name: step or True for name, step in steps.items() if step or name != "ToTensor"
    }
    normal = steps.get("NormalizeTensor")
    if _normalisation(normal) == preprocessor:
        left.pop("NormalizeTensor", None)
    else:
        left["NormalizeTensor"] = normal
    return left


def _normalisation(step: dict[str, Any] | None) -> dict[str, Any]:
    """MMPose 0.x has values in [0, 1] and RGB."""
    step = dict(mean=[0.0] * 3, std=[1.0] * 3) if step is None else step
    return {name: [round(value * 255, 4) for value in step[name]] for name in ("mean", "std")}


def _drop(step: dict[str, Any], **expected: Any) -> None:
    for name, value in expected.items():
        if step.get(name) == value:
            del step[name]


def _leave_steps(old: OldConfig, part: str, steps: dict[str, Any]) -> None:
    """Leave the steps that have no counterpart, and settings of the others that have none."""
    known = _TRAIN_STEPS if part == "train" else _TEST_STEPS
    loading = steps.get("LoadImageFromFile", {})
    loading.pop("to_float32", None)
    _drop(loading, color_type="color", channel_order="rgb", file_client_args={"backend": "disk"})
    _drop(steps.get("ToTensor", {}), device="cpu")
    # what is collected here is what the network needs
    steps.pop("Collect", None)
    for name, step in steps.items():
        if step or name not in known:
            old.put(f"data.{part}.pipeline.{name}", step or True)
