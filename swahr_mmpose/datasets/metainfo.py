"""MMPose's dataset descriptions: their files, and the keypoints they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mmpose
from mmengine.config import Config

from ..utils.arguments import did_you_mean

_FOLDERS = tuple(
    root / "configs/_base_/datasets"
    for root in (Path(mmpose.__file__).parent / ".mim", Path(mmpose.__file__).parent.parent)
)


def description_file(name: str) -> str:
    """The file that describes a dataset of MMPose.

    Its datasets look in the current folder first, and warn.
    """
    found = [str(folder / f"{name}.py") for folder in _FOLDERS if (folder / f"{name}.py").is_file()]
    return found[0] if found else f"configs/_base_/datasets/{name}.py"


def keypoint_names(dataset: str | Sequence[str]) -> list[str]:
    """Names of the keypoints of a dataset, in order.

    Args:
        dataset: The name of a dataset that MMPose describes (``'coco'``), the path of a
            description, or the names themselves.

    Raises:
        ValueError: If there is no such description, it does not describe keypoints, or a name is
            there twice.

    Examples:
        >>> keypoint_names("crowdpose")[:3]
        ['left_shoulder', 'right_shoulder', 'left_elbow']
    """
    names = _names_in_description(dataset) if isinstance(dataset, str) else list(dataset)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"The keypoints {twice} are named more than once in {dataset!r}.")
    return names


def _names_in_description(dataset: str) -> list[str]:
    path = Path(dataset if dataset.endswith(".py") else description_file(dataset))
    if not path.is_file():
        known = sorted(file.stem for folder in _FOLDERS for file in folder.glob("*.py"))
        raise ValueError(
            f"There is no description of a dataset '{dataset}'.{did_you_mean(dataset, known)} Give "
            "the name of one that MMPose has, the path of your own, or the list of keypoint names."
        )
    info = Config.fromfile(path).get("dataset_info", {}).get("keypoint_info")
    if not info:
        raise ValueError(f"'{path}' has no `dataset_info` with `keypoint_info`.")
    return [info[index]["name"] for index in sorted(info)]
