"""A whole config of MMPose 0.x, translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from .data import DATASETS, dataloaders_of
from .network import codec_of, head_of, network_of
from .old_config import OldConfig, OldConfigError
from .schedule import schedule_of

#: The config of this package that is inherited, and the name of AP, by the dataset.
_BASES = {
    "coco": ("higherhrnet_w32_coco", "coco/AP"),
    "crowdpose": ("higherhrnet_w32_crowdpose", "crowdpose/AP"),
    "aic": ("higherhrnet_w32_aic", "coco/AP"),
    "coco_wholebody": ("higherhrnet_w32_wholebody", "coco-wholebody/AP"),
}

#: MMPose 0.x scales learning rates from so many.
_GPUS = 8

#: Why settings have no counterpart, by the end of their keys.
_REASONS = {
    "use_udp": "the coordinates of UDP are not implemented: pixels are taken as the paper does",
    "align_corners": "maps are resized as without it",
    "project2image": "maps are always brought to the size of the image that the network sees",
    "scale_aware_sigma": "targets have one width; SWAHRHead predicts it",
    "supervise_empty": "maps without keypoints are trained on, as in the official code",
    "ae_loss_type": "only 'exp' is implemented",
    "heatmaps_loss_factor": "both resolutions have the weight of the first",
    "with_heatmaps_loss": "both resolutions are trained",
    "with_ae": "tags are read at stride 4",
    "adjust": "keypoints are moved by a quarter of a pixel towards the higher neighbour",
    "scale_type": "images are scaled by their short side",
    "resume_from": "a training can't go on here; `load_from` takes its weights",
    "image_size": "test images have the shorter side of the training's as their own",
    "by_epoch": "epochs are counted, not iterations",
    "sigma": "targets have the width `data_cfg.base_sigma`",
    "channel_order": "the network is given RGB",
    "mean": "images are normalised as in the training",
    "std": "images are normalised as in the training",
    "NormalizeTensor": "images are normalised as in the training",
    "constructor": "it is kept by name, and must be written anew for MMEngine's `optim_wrapper`",
    "workflow": "training runs epochs of training, and validates every `val_interval`",
}

#: Parts that a config names, and that its other settings contain.
_NAMED_PARTS = (
    "channel_cfg", "data_root", "dataset_info", "train_pipeline", "val_pipeline", "test_pipeline",
)  # fmt: skip


@dataclass(frozen=True)
class Translation:
    """A translated config.

    Attributes:
        base: Name of this package's config that it inherits from.
        settings: What it sets.
        left: Dotted keys and values of the old config that have no counterpart.

    Examples:
        >>> left = {"data_cfg.scale_aware_sigma": True}
        >>> Translation("higherhrnet_w32_coco", {}, left).report()
        ['data_cfg.scale_aware_sigma = True: targets have one width; SWAHRHead predicts it']
    """

    base: str
    settings: dict[str, Any]
    left: dict[str, Any]

    def report(self) -> list[str]:
        """A line for each setting without counterpart, with the reason where there is one."""
        lines = []
        for key, value in self.left.items():
            reason = _REASONS.get(key.rsplit(".", 1)[-1])
            lines.append(f"{key} = {value!r}" + (f": {reason}" if reason else ""))
        return lines

    def text(self) -> str:
        """The config as a Python file."""
        base = f'_base_ = [str(__import__("swahr_mmpose").config_path("{self.base}"))]\n\n'
        return base + str(Config(self.settings).pretty_text)


def translate(content: Mapping[str, Any]) -> Translation:
    """Translate a config of MMPose 0.x for HigherHRNet.

    Args:
        content: The config, with what it inherits.

    Raises:
        OldConfigError: If it is for another network, or something is missing or not as expected.
    """
    old = OldConfig(content)
    try:
        return _translate(old)
    except OldConfigError:
        raise
    except Exception as error:  # configs hold anything, and what is made of it fails in many ways
        raise OldConfigError(
            f"`{old.latest}` is not as MMPose 0.x has it ({type(error).__name__}: {error})."
        ) from error


def _translate(old: OldConfig) -> Translation:
    if not isinstance(old.look("model.keypoint_head", None), dict):
        raise OldConfigError(
            "The config has no `model.keypoint_head`: it is none of MMPose 0.x for bottom-up "
            "networks. Those of MMPose 1.x need no translation: see docs/configs.md."
        )
    for name in _NAMED_PARTS:
        old.take(name, None)
    num_keypoints = old.look("model.keypoint_head.num_joints")
    if not isinstance(num_keypoints, int) or num_keypoints < 1:
        raise OldConfigError(
            f"`model.keypoint_head.num_joints` is {num_keypoints!r}, and must be the number of "
            "keypoints."
        )
    _settle_data_cfg(old)
    codec = codec_of(old, num_keypoints)
    head = head_of(old, codec)
    _, dataset = DATASETS.get(old.look("data.train.type"), ("", "coco"))
    base, ap = _BASES[dataset]
    loaders, preprocessor = dataloaders_of(old, codec)
    model = dict(head={"_delete_": True, **head}, data_preprocessor=preprocessor, **network_of(old))
    # the GPUs that learning rates in MMPose 0.x are for
    total = loaders["train_dataloader"]["batch_size"] * _GPUS
    settings = dict(
        model=model,
        **loaders,
        **schedule_of(old, ap),
        auto_scale_lr=dict(base_batch_size=total),
    )
    return Translation(base, settings, dict(old.left()))


def _settle_data_cfg(old: OldConfig) -> None:
    """Make `data_cfg` that of the training; leave what val and test have otherwise."""
    used = old.take("data.train.data_cfg", None)
    if used is None:
        used = old.take("data_cfg", None) or old.take("data.train.data_cfg")
    for part in ("val", "test"):
        own = old.take(f"data.{part}.data_cfg", used)
        differing = {name: value for name, value in own.items() if value != used.get(name)}
        if differing:
            old.put(f"data.{part}.data_cfg", differing)
    old.put("data_cfg", used)
