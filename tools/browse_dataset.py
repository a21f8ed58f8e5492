"""Draw what a config's network is trained on: images after the training pipeline.

For each an image with people and what is masked, the targets of both resolutions, and the pixels
that tags are read from, in the colours of people.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import command_line
import cv2
import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from mmpose.registry import DATASETS
from tqdm import tqdm

from swahr_mmpose.codecs.targets import render_heatmaps
from swahr_mmpose.layout import map_sizes
from swahr_mmpose.utils.config_files import find_config
from swahr_mmpose.visualization.training_sample import draw_training_sample


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("config", help="a config's path, or one of our names")
    parser.add_argument("--out", type=Path, default=Path("browse"), help="folder (default: browse)")
    parser.add_argument("--num", type=int, default=16, help="how many images (default: 16)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of choice and augmentation (default: 0)"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        default={},
        help="as for mim train: KEY=VALUE",
    )
    args = parser.parse_args(argv)
    if args.num < 1:
        parser.error(f"--num must be at least 1, but is {args.num}")
    return args


def training_set(config: Config) -> Any:
    """The dataset that the config trains on.

    Raises:
        ValueError: If it has none, or it can't be built.
    """
    if config.get("train_dataloader") is None:
        raise ValueError(f"'{config.filename}' has no `train_dataloader`.")
    init_default_scope(config.get("default_scope", "mmpose"))
    try:
        return DATASETS.build(config.train_dataloader.dataset)
    except (AttributeError, KeyError, TypeError) as error:
        reason = str(error).strip("'\"").split("\n")[0]
        raise ValueError(f"`train_dataloader.dataset` can't be built: {reason}") from error


def drawn(packed: dict[str, Any], skeleton: Any) -> np.ndarray:
    """The image of one training sample, RGB.

    Raises:
        ValueError: If it has no targets of this package's codec.
    """
    sample = packed["data_samples"]
    labels = sample.gt_instance_labels
    if "keypoint_indices" not in labels:
        raise ValueError(
            "The training samples hold no targets of `ScaleAdaptiveHeatmap`. Add "
            "`dict(type='GenerateTarget', encoder=codec)` to the training pipeline."
        )
    image = np.ascontiguousarray(packed["inputs"].numpy().transpose(1, 2, 0)[..., ::-1])
    fields = sample.gt_fields if "gt_fields" in sample else ()
    if "heatmaps" in fields:
        targets = [maps.numpy() for maps in fields.heatmaps]
    else:
        centers = labels.keypoint_centers[None]
        sizes = map_sizes((image.shape[1], image.shape[0]))
        targets = [
            render_heatmaps(centers[..., level, :], size, sample.target_sigma)[0].numpy()
            for level, size in enumerate(sizes)
        ]
    masks = None
    if "heatmap_mask" in fields:
        masks = [mask.numpy().reshape(mask.shape[-2:]) for mask in fields.heatmap_mask]
    indices = labels.keypoint_indices.numpy()
    return draw_training_sample(image, indices, targets, masks, skeleton)


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    config = Config.fromfile(find_config(args.config))
    config.merge_from_dict(args.cfg_options)
    dataset = training_set(config)
    set_random_seed(args.seed)
    number = min(args.num, len(dataset))
    chosen = np.sort(np.random.choice(len(dataset), number, replace=False))
    args.out.mkdir(parents=True, exist_ok=True)
    with tqdm(chosen.tolist(), unit="image", disable=None) as bar:
        for index in bar:
            packed = dataset[index]
            image = drawn(packed, dataset.metainfo["skeleton_links"])
            name = f"{index:06d}_{Path(packed['data_samples'].img_path).stem}.png"
            if not cv2.imwrite(str(args.out / name), image[..., ::-1]):
                raise OSError(
                    f"'{args.out / name}' can't be written. Is the disk full, or the folder "
                    "not yours to write?"
                )
    print(f"Wrote {number} images into {args.out}")


if __name__ == "__main__":
    sys.exit(main())
