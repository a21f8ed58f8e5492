"""MMPose's dataset descriptions: their files and checks, and the keypoints they name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmpose
import numpy as np
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from ..utils.arguments import did_you_mean
from ..utils.config_files import read_config_file

_IN_MMPOSE = "configs/_base_/datasets"

_FOLDERS = tuple(
    root / _IN_MMPOSE
    for root in (Path(mmpose.__file__).parent / ".mim", Path(mmpose.__file__).parent.parent)
)


def description_file(name: str) -> str:
    """The file that describes a dataset of MMPose.

    Its datasets look in the current folder first, and warn.
    """
    found = [str(folder / f"{name}.py") for folder in _FOLDERS if (folder / f"{name}.py").is_file()]
    return found[0] if found else f"{_IN_MMPOSE}/{name}.py"


def keypoint_names(dataset: str | Sequence[str]) -> list[str]:
    """Names of the keypoints of a dataset, in order.

    Args:
        dataset: The name of a dataset that MMPose describes (``'coco'``), the path of a
            description, or the names themselves.

    Raises:
        ValueError: If there is no such description, it is wrong, or a name is there twice.

    Examples:
        >>> keypoint_names("crowdpose")[:3]
        ['left_shoulder', 'right_shoulder', 'left_elbow']
    """
    if isinstance(dataset, str):
        return list(parsed_description(dataset)["keypoint_id2name"].values())
    names = list(dataset)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"The keypoints {twice} are named more than once in {dataset!r}.")
    return names


def parsed_description(metainfo: str | Mapping[str, Any]) -> dict[str, Any]:
    """MMPose's ``parse_pose_metainfo`` of a description that was checked, unless it is MMPose's.

    Args:
        metainfo: The description, a dict with its path as ``from_file``, or the name or path.

    Raises:
        ValueError: If there is none, or fields are missing or wrong; the message names them.
    """
    source = metainfo if isinstance(metainfo, str) else metainfo.get("from_file")
    path = None if source is None else _path_of(source)
    info: Any = metainfo if path is None else read_config_file(path).get("dataset_info", {})
    problems = [] if path and path.parent in _FOLDERS else _problems(info)
    if problems:
        raise ValueError(f"The description {path or '`metainfo`'}: {' '.join(problems)}")
    parsed: dict[str, Any] = parse_pose_metainfo(info)
    return parsed


def _path_of(dataset: str) -> Path:
    path = Path(dataset if dataset.endswith(".py") else description_file(dataset))
    if path.parent == Path(_IN_MMPOSE) and not path.is_file():  # as MMPose's configs write it
        path = Path(description_file(path.stem))
    if not path.is_file():
        known = sorted(file.stem for folder in _FOLDERS for file in folder.glob("*.py"))
        raise ValueError(
            f"There is no description of a dataset '{dataset}'.{did_you_mean(dataset, known)} Give "
            "the name of one that MMPose has, the path of your own, or the list of keypoint names."
        )
    return path


def _problems(info: Any) -> list[str]:
    """What is wrong in each field, and the fix; MMPose fails later, or takes it."""
    fields = ("dataset_name", "keypoint_info", "skeleton_info", "joint_weights", "sigmas")
    missing = [f"`{field}` is missing: add it." for field in fields if info.get(field) is None]
    if missing:
        return missing
    ids, keypoints = list(info["keypoint_info"]), list(info["keypoint_info"].values())
    names = [keypoint.get("name") for keypoint in keypoints]
    swaps = {name: keypoint.get("swap") or name for name, keypoint in zip(names, keypoints)}
    one_way = [own for own in swaps.items() if swaps.get(own[1]) != own[0]]
    links = [limb.get("link") or () for limb in info["skeleton_info"].values()]
    links = [own for own in links if len(own) != 2 or not set(own) <= set(names)]
    sigmas = np.ravel(info["sigmas"]).tolist()
    sound = len(sigmas) == len(ids) and all(0 < sigma < math.inf for sigma in sigmas)
    wrong: list[tuple[str, list[Any], str]] = [
        ("an id", [own for own, k in zip(ids, range(len(ids))) if own != k], "Count 0, 1, …"),
        ("`name`", [own for own in names if not own or names.count(own) > 1], "Give each its own"),
        ("`swap`", one_way, "Let two name each other"),
        ("`link`", links, "Name two keypoints"),
        ("`sigmas`", [] if sound else [sigmas], f"Give {len(ids)} above 0"),
    ]
    return [f"{field} is {', '.join(map(str, own))}. {fix}." for field, own, fix in wrong if own]
