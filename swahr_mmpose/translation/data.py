"""Datasets and pipelines: `data`, `train_pipeline` and `val_pipeline` of MMPose 0.x."""

from __future__ import annotations

from typing import Any

from .old_config import OldConfig

#: Ours for each dataset of MMPose 0.x, and the name in its description.
DATASETS = {
    "BottomUpCocoDataset": ("BottomupCocoDataset", "coco"),
    "BottomUpCrowdPoseDataset": ("BottomupCrowdPoseDataset", "crowdpose"),
    "BottomUpAicDataset": ("BottomupAicDataset", "aic"),
    "BottomUpCocoWholeBodyDataset": ("BottomupCocoWholeBodyDataset", "coco_wholebody"),
}

#: In MMPose 0.x shifts are in 200ths of the short side.
_SHIFT_UNIT = 200


def dataloaders_of(old: OldConfig, codec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The three data loaders, and the data preprocessor.

    Examples:
        >>> part = dict(type="BottomUpCocoDataset", ann_file="a.json", img_prefix="", pipeline=[])
        >>> data = dict(samples_per_gpu=24, train=part, val=part, test=part)
        >>> codec = dict(input_size=(512, 512), sigma=2.0)
        >>> loaders, _ = dataloaders_of(OldConfig(dict(data=data)), codec)
        >>> loaders["train_dataloader"]["batch_size"]
        24
    """
    loaders: dict[str, Any] = {}
    preprocessor: dict[str, Any] = {}
    shared = old.take("data.samples_per_gpu", None)
    workers = old.take("data.workers_per_gpu", 2)
    data_cfg = old.take("data.train.data_cfg", None)
    for part in ("train", "val", "test"):
        if data_cfg is not None:
            old.drop(f"data.{part}.data_cfg", data_cfg)
        dataset = _dataset_of(old, part)
        steps = {step.pop("type"): step for step in old.take(f"data.{part}.pipeline")}
        pipeline = _train_pipeline if part == "train" else _test_pipeline
        dataset["pipeline"] = pipeline(steps, codec, preprocessor)
        _leave_steps(old, part, steps)
        if part == "test":
            scales = dataset["pipeline"][1]["scales"]
            old.drop("model.test_cfg.scale_factor", scales, sorted(scales))
        batch_size = old.take(f"data.{part}_dataloader.samples_per_gpu", shared)
        loaders[f"{part}_dataloader"] = dict(
            batch_size=batch_size or 1,
            num_workers=workers,
            persistent_workers=part != "train" and workers > 0,
            dataset=dataset,
        )
    return loaders, preprocessor


def _dataset_of(old: OldConfig, part: str) -> dict[str, Any]:
    key = f"data.{part}"
    kind = old.take(f"{key}.type")
    ours, name = DATASETS.get(kind, ("BottomupCocoDataset", None))
    if name is None:
        old.put(f"{key}.type", kind)
    dataset: dict[str, Any] = dict(
        type=ours,
        data_root="",
        ann_file=old.take(f"{key}.ann_file"),
        data_prefix=dict(img=old.take(f"{key}.img_prefix")),
    )
    description = old.take(f"{key}.dataset_info", None)
    if description and description["dataset_name"] != name:
        dataset["metainfo"] = description
    old.drop(f"{key}.test_mode", part != "train")
    return dataset


def _train_pipeline(
    steps: dict[str, Any], codec: dict[str, Any], preprocessor: dict[str, Any]
) -> list[dict[str, Any]]:
    affine = steps.get("BottomUpRandomAffine", {})
    flip = steps.get("BottomUpRandomFlip", {})
    pipeline = [
        dict(type="BottomupLoadImage"),
        dict(
            type="BottomupUniformAffine",
            input_size=codec["input_size"],
            rotation=affine.pop("rot_factor", 0),
            scale=tuple(affine.pop("scale_factor", (1.0, 1.0))),
            translation=affine.pop("trans_factor", 0) / _SHIFT_UNIT,
        ),
        dict(type="BottomupHorizontalFlip", prob=flip.pop("flip_prob", 0.5 if flip else 0.0)),
        dict(type="GenerateTarget", encoder=codec),
        dict(type="BottomupHeatmapMask"),
        dict(type="BottomupPackInputs"),
    ]
    _drop(affine, scale_type="short", use_udp=False)
    targets = steps.get("BottomUpGenerateTarget", {})
    _drop(targets, sigma=codec["sigma"], use_udp=False)
    # there is no limit
    targets.pop("max_num_people", None)
    _normalisation(steps.pop("NormalizeTensor", {}), preprocessor)
    return pipeline


def _test_pipeline(
    steps: dict[str, Any], codec: dict[str, Any], preprocessor: dict[str, Any]
) -> list[dict[str, Any]]:
    sizes = steps.get("BottomUpGetImgSize", {})
    scales = [float(scale) for scale in sizes.pop("test_scale_factor", [1])]
    align = steps.get("BottomUpResizeAlign", {})
    align.pop("transforms", None)
    for step in (sizes, align):
        _drop(step, use_udp=False)
    # scale 1 comes first, and gives the tags
    scales.sort(key=lambda scale: scale != 1)
    return [
        dict(type="BottomupLoadImage"),
        dict(type="BottomupPyramidResize", input_size=codec["input_size"][0], scales=scales),
        dict(type="BottomupPackInputs"),
    ]


def _normalisation(step: dict[str, Any], preprocessor: dict[str, Any]) -> None:
    """MMPose 0.x has values in [0, 1] and RGB."""
    for name in ("mean", "std"):
        if name in step:
            preprocessor[name] = [round(value * 255, 4) for value in step[name]]


def _drop(step: dict[str, Any], **expected: Any) -> None:
    for name, value in expected.items():
        if step.get(name) == value:
            del step[name]


def _leave_steps(old: OldConfig, part: str, steps: dict[str, Any]) -> None:
    """Leave the steps that have no counterpart, and settings of the others that have none."""
    without_settings = {"LoadImageFromFile", "ToTensor", "Collect"}
    known = {
        "BottomUpRandomAffine", "BottomUpRandomFlip", "BottomUpGenerateTarget",
        "BottomUpGetImgSize", "BottomUpResizeAlign",
    }  # fmt: skip
    for name, step in steps.items():
        if name in without_settings:
            continue
        if step or name not in known:
            old.put(f"data.{part}.pipeline.{name}", step or True)
