"""Compares what a network's maps say of the errors of keypoints, on labelled images.

A factor and an exponent per keypoint are fitted to each measure on one half of the images and
judged on the other, as by `swahr calibrate`, which uses the best of these measures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import swahr_mmpose  # noqa: F401  (before MMPose's models)

# isort: split
import numpy as np
from mmpose.apis import init_model
from torch import Tensor

from swahr_mmpose.checkpoints.model_zoo import weights_for
from swahr_mmpose.layout import STRIDES
from swahr_mmpose.models.aggregation import flip_back, resize_maps
from swahr_mmpose.utils.config_files import find_config

sys.path.insert(0, str(Path(__file__).parents[1]))
from calibrate import errors_of, ratios, table

#: Distances are not below this, in input pixels: the logarithm of 0 is infinite.
_LEAST_DISTANCE = 0.3


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tools/research/error_bars.py", description=__doc__)
    parser.add_argument("config", help="name of one of this package's configs, or a path")
    parser.add_argument("checkpoint", nargs="?", help="default: the weights of this config")
    parser.add_argument("--data", type=Path, required=True, help="COCO annotations")
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument("--num-images", type=int, help="only so many images, the first ones")
    return parser.parse_args(argv)


def measures(sample: Any, places: np.ndarray, passes: list[Tensor]) -> dict[str, np.ndarray]:
    """What the maps show at keypoints.

    Args:
        sample: The prediction, with its heatmaps.
        places: (P, K, 2), keypoints in input pixels.
        passes: Outputs of both strides for the original and then the mirrored image; emptied.
    """
    heatmaps = sample.pred_fields.heatmaps.numpy()
    k, (x, y) = np.arange(len(heatmaps)), np.floor(places).astype(int).transpose(2, 0, 1)
    height = heatmaps[k, y, x].clip(1e-3)
    ratio = ratios(sample, places)["width / height"]
    maps = [resize_maps(own[:, : len(heatmaps)], heatmaps.shape[1:]) for own in passes]
    passes.clear()
    maps[2:] = [flip_back(own, sample.flip_indices) for own in maps[2:]]
    coarse, fine, mirrored_coarse, mirrored_fine = (own[0].numpy() for own in maps)
    distances = [
        np.linalg.norm(centroids(one, places) - centroids(other, places), axis=-1)
        for one, other in (
            (coarse + mirrored_coarse, fine + mirrored_fine),
            (coarse + fine, mirrored_coarse + mirrored_fine),
        )
    ]
    return {
        "type alone": np.ones_like(height),
        "height": height,
        "width": ratio * height,
        "width / height": ratio,
        "distance between strides": distances[0] + _LEAST_DISTANCE,
        "distance between original and mirrored": distances[1] + _LEAST_DISTANCE,
    }


def centroids(maps: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Centroids (P, K, 2) of what is above 0 around places, within the support of a target."""
    steps = np.arange(-7, 8) * STRIDES[-1]
    k, h, w = maps.shape
    x, y = np.floor(places).astype(int).transpose(2, 0, 1)[..., None] + steps
    rows, columns = y.clip(0, h - 1)[..., None], x.clip(0, w - 1)[..., None, :]
    own = maps[np.arange(k)[:, None, None], rows, columns].clip(1e-6)
    total = own.sum(axis=(-2, -1))
    moments = own.sum(axis=-2) @ steps, own.sum(axis=-1) @ steps
    return np.stack(moments, axis=-1) / total[..., None]


def main(argv: list[str] | None = None) -> int:
    """Compare."""
    args = parse_args(argv)
    path = find_config(args.config)
    model = init_model(str(path), args.checkpoint or weights_for(path), device="cpu")
    model.test_cfg["flip_test"] = True
    passes: list[Tensor] = []
    for layer in model.head.final_layers:
        layer.register_forward_hook(lambda module, inputs, output: passes.append(output))
    columns = errors_of(
        model, args.data, args.images, lambda *own: measures(*own, passes), args.num_images
    )
    print(table(columns))
    errors = " / ".join(f"{q:.1f}" for q in np.quantile(columns["error"], (0.5, 0.8, 0.95)))
    print(f"\n{len(columns['error'])} keypoints; 50 / 80 / 95 % of errors: {errors} input pixels.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
