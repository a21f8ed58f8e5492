"""Fit a rescorer: a small network that predicts a person's OKS from its pose, to rank people by.

Runs the network on labelled images, which it must not have been trained on, and fits on four
fifths of them. Prints the AP on the rest before, after, and with the OKS itself in place of its
prediction, which is as far as one can get.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmpose.apis import inference_bottomup, init_model
from torch import nn
from tqdm import tqdm
from xtcocotools.coco import COCO

from swahr_mmpose.analysis.bootstrap import compare
from swahr_mmpose.analysis.per_image_ap import (
    FoundPeople,
    average_precision,
    evaluate_images,
    labelled_people,
)
from swahr_mmpose.analysis.pose_errors import matched_oks
from swahr_mmpose.checkpoints.model_zoo import weights_for
from swahr_mmpose.decoding.rescoring import Rescorer, pose_features
from swahr_mmpose.evaluation.coco_index import read_labels
from swahr_mmpose.images.files import read_annotated
from swahr_mmpose.utils.config_files import find_config
from swahr_mmpose.utils.files import check_destination

_HIDDEN = 256


@dataclass(frozen=True)
class Poses:
    """People found in one image, and the OKS of each with the labelled one that it is."""

    found: FoundPeople
    keypoint_scores: np.ndarray
    oks: np.ndarray


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="name of one of this package's configs, or a path")
    parser.add_argument(
        "checkpoint",
        nargs="?",
        help="path or address of weights; by default those known for the config",
    )
    parser.add_argument("out", type=Path, help="the file to write, .npz")
    parser.add_argument("--data", type=Path, required=True, help="COCO annotations")
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument(
        "--epochs", type=int, default=30, help="passes over the people (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the first weights and the order of people (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        help="where the pose network runs, such as cpu or cuda:0 (default: %(default)s)",
    )
    # an option may stand between the checkpoint and the file to write
    return parser.parse_intermixed_args(argv)


def checkpoint_of(args: argparse.Namespace, config: Path) -> str:
    """The weights that were named, or else those known for the config.

    Raises:
        ValueError: If there are none, or the last argument looks like weights, not like a file to
            write.
    """
    if args.checkpoint:
        return str(args.checkpoint)
    if args.out.suffix != ".npz":
        raise ValueError(
            f"The last argument is the file to write, but '{args.out}' does not end in .npz. Name "
            "it after the checkpoint."
        )
    return weights_for(config)


def find_people(model: Any, annotations: COCO, folder: Path) -> dict[int, Poses]:
    """People in all images, by image id."""
    meta = model.dataset_meta
    poses = {}
    for info in tqdm(annotations.dataset["images"], unit="image"):
        image = read_annotated(folder, info)
        people = inference_bottomup(model, image)[0].pred_instances
        labels, areas = labelled_people(annotations, info["id"], meta["num_keypoints"])
        poses[info["id"]] = Poses(
            FoundPeople(people.keypoints, people.bbox_scores),
            people.keypoint_scores,
            matched_oks(people.keypoints, labels, areas, meta["sigmas"]),
        )
    return poses


def fit(features: np.ndarray, oks: np.ndarray, epochs: int) -> nn.Sequential:
    """Two hidden layers of 256, least squared error, Adam with a cosine schedule."""
    network = nn.Sequential(
        nn.Linear(features.shape[1], _HIDDEN), nn.ReLU(),
        nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1),
    )  # fmt: skip
    inputs, targets = torch.from_numpy(features), torch.from_numpy(oks).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(256):
            loss = nn.functional.mse_loss(network(inputs[rows])[:, 0], targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return network


def to_rescorer(network: nn.Sequential, limbs: np.ndarray, num_keypoints: int) -> Rescorer:
    """The network as arrays."""
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    layers = [(one.weight.detach().numpy(), one.bias.detach().numpy()) for one in linear]
    return Rescorer(limbs, num_keypoints, layers)


def report(rescorer: Rescorer, poses: dict[int, Poses], annotations: COCO, sigmas: Any) -> None:
    """Print the AP before, after, and with the OKS itself."""

    def evaluated(factor: Any) -> Any:
        found = {
            image: replace(own.found, scores=own.found.scores * factor(own))
            for image, own in poses.items()
        }
        return evaluate_images(annotations, found, sigmas)

    before = evaluated(lambda own: 1)
    after = evaluated(lambda own: rescorer(own.found.keypoints, own.keypoint_scores))
    ceiling = evaluated(lambda own: own.oks)
    difference = compare(before, after)
    print(f"{len(poses)} held-out images")
    print(f"AP before: {average_precision(before).mean():.4f}")
    print(f"AP after:  {average_precision(after).mean():.4f}")
    print(f"AP with the OKS in place of its prediction: {average_precision(ceiling).mean():.4f}")
    print(
        f"Difference: {difference.value:+.4f} (95 %: {difference.low:+.4f} to "
        f"{difference.high:+.4f}; paired bootstrap over images)"
    )


def main(argv: list[str] | None = None) -> int:
    """Fit."""
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    try:
        if args.epochs < 1:
            raise ValueError(f"--epochs must be at least 1, but is {args.epochs}.")
        config = find_config(args.config)
        checkpoint = checkpoint_of(args, config)
        check_destination(args.out, args.data, Path(checkpoint))
        model = init_model(str(config), checkpoint, device=args.device)
        # poses are to be rescored, not scores that were rescored before
        model.test_cfg.pop("rescorer", None)
        meta = model.dataset_meta
        annotations = read_labels(args.data, meta)
        poses = find_people(model, annotations, args.images)
        held_out = {
            image: own for index, (image, own) in enumerate(poses.items()) if index % 5 == 4
        }
        seen = [own for image, own in poses.items() if image not in held_out]
        if len(held_out) < 2 or not sum(len(own.oks) for own in seen):
            raise ValueError(
                f"People were found in too few images to fit on: '{args.data}' has {len(poses)}."
            )
        limbs = np.array(meta["skeleton_links"], int).reshape(-1, 2)
        features = [pose_features(own.found.keypoints, own.keypoint_scores, limbs) for own in seen]
        oks = np.concatenate([own.oks for own in seen])
        network = fit(np.concatenate(features), oks, args.epochs)
        rescorer = to_rescorer(network, limbs, meta["num_keypoints"])
        report(rescorer, held_out, annotations, meta["sigmas"])
        rescorer.save(args.out)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Wrote {args.out}. Use it with model.test_cfg.rescorer={args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
