"""Compares ways of reading people from the same maps of one network, on labelled images.

Prints a table of AP with paired bootstrap intervals over images (BCa), and one of what is wrong
with the people. All ways see the same maps, so nothing but the images is random.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import swahr_mmpose  # noqa: F401  (before MMPose's models)

# isort: split
import numpy as np
from mmpose.apis import inference_bottomup, init_model
from tqdm import tqdm
from variants import TRIED, VARIANTS
from xtcocotools.coco import COCO

from swahr_mmpose.analysis.bootstrap import compare
from swahr_mmpose.analysis.per_image_ap import (
    FoundPeople,
    average_precision,
    evaluate_images,
    labelled_people,
)
from swahr_mmpose.analysis.pose_errors import (
    KEYPOINT_CLASSES,
    PERSON_CLASSES,
    diagnose,
    matched_oks,
)
from swahr_mmpose.checkpoints.model_zoo import weights_for
from swahr_mmpose.decoding import GROUPINGS, decode_people, image_window
from swahr_mmpose.evaluation.coco_index import read_labels
from swahr_mmpose.images.files import read_annotated
from swahr_mmpose.utils.config_files import find_config


@dataclass
class Outcome:
    """What one way found in all images."""

    found: dict[int, FoundPeople] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tools/research/decoding_study", description=__doc__)
    parser.add_argument("config", help="name of one of this package's configs, or a path")
    parser.add_argument("checkpoint", nargs="?", help="default: the weights of this config")
    parser.add_argument("--data", type=Path, required=True, help="COCO annotations")
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument("--num-images", type=int, help="only so many images, the first ones")
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap")
    return parser.parse_args()


def maps_of(model: Any, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
    """Heatmaps (K, H, W) and tags (L, K, H, W) of a BGR image, and where they lie in it.

    They are cut to the part that shows the image, as in a test.
    """
    (sample,) = inference_bottomup(model, image)
    meta = sample.metainfo
    rows, columns = image_window(
        meta["ori_shape"][1::-1], meta["input_size"], meta["input_center"], meta["input_scale"]
    )
    heatmaps = sample.pred_fields.heatmaps.numpy()
    tags = sample.pred_fields.tags.numpy().reshape(-1, *heatmaps.shape)
    meta["corner"] = columns.start, rows.start
    return heatmaps[:, rows, columns], tags[..., rows, columns], meta


def to_image(keypoints: np.ndarray, meta: Any) -> np.ndarray:
    """Keypoints from pixels of the cut maps to those of the image."""
    scale = np.divide(meta["input_scale"], meta["input_size"])
    top_left = meta["input_center"] - np.divide(meta["input_scale"], 2)
    moved: np.ndarray = (keypoints + meta["corner"]) * scale + top_left
    return moved


def run(args: argparse.Namespace) -> None:
    """Find the people of all images in every way, and report."""
    config = find_config(args.config)
    model = init_model(str(config), args.checkpoint or weights_for(config), device="cpu")
    model.test_cfg["output_heatmaps"] = True
    meta = model.dataset_meta
    # whatever the config groups by
    options = replace(model.head.decoder.decode_options, grouping="official")
    GROUPINGS.update(TRIED)
    rows = {name: replace(options, **own) for name, own in VARIANTS.items()}
    annotations = read_labels(args.data, meta)
    outcomes = {name: Outcome() for name in [*rows, "official, oracle scores"]}
    images = annotations.dataset["images"][: args.num_images]
    for image in tqdm(images, unit="image", disable=None):
        heatmaps, tags, sample_meta = maps_of(model, read_annotated(args.images, image))
        labels, areas = labelled_people(annotations, image["id"], meta["num_keypoints"])
        for name, own in rows.items():
            start = time.perf_counter()
            people = decode_people(heatmaps, tags, own)
            outcomes[name].seconds.append(time.perf_counter() - start)
            keypoints = to_image(people.keypoints, sample_meta)
            outcomes[name].found[image["id"]] = FoundPeople(keypoints, people.instance_scores)
            outcomes[name].errors.update(
                diagnose(keypoints, people.instance_scores, labels, areas, meta["sigmas"],
                         meta["flip_indices"]).counts()
            )  # fmt: skip
        official = outcomes["official"].found[image["id"]]
        outcomes["official, oracle scores"].found[image["id"]] = FoundPeople(
            official.keypoints,
            matched_oks(official.keypoints, labels, areas, meta["sigmas"]),
        )
    report(outcomes, annotations, meta["sigmas"], args.resamples)


def report(
    outcomes: dict[str, Outcome], annotations: COCO, sigmas: Any, num_resamples: int
) -> None:
    """Print both tables."""
    results = {
        name: evaluate_images(annotations, outcome.found, sigmas)
        for name, outcome in outcomes.items()
    }
    for line in [*ap_table(outcomes, results, num_resamples), "", *error_table(outcomes)]:
        print(line)


def ap_table(
    outcomes: dict[str, Outcome], results: dict[str, Any], num_resamples: int
) -> Iterator[str]:
    """AP of each way, and how much more than the official one it is."""
    yield "| way | AP | AP50 | AP75 | against official (95 %) | people | ms per image |"
    yield "|---|---|---|---|---|---|---|"
    for name, outcome in outcomes.items():
        by_threshold = average_precision(results[name])
        figures = " | ".join(f"{ap:.3f}" for ap in (by_threshold.mean(), *by_threshold[[0, 5]]))
        against = "–"
        if name != "official":
            difference = compare(results["official"], results[name], num_resamples)
            against = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
        people = np.mean([len(found.scores) for found in outcome.found.values()])
        time_taken = f"{1e3 * np.median(outcome.seconds):.1f}" if outcome.seconds else "–"
        yield f"| {name} | {figures} | {against} | {people:.1f} | {time_taken} |"


def error_table(outcomes: dict[str, Outcome]) -> Iterator[str]:
    """Shares of keypoints of people that were found, and numbers of people."""
    yield "| way | " + " | ".join((*KEYPOINT_CLASSES, *PERSON_CLASSES)) + " |"
    yield "|---" * (1 + len(KEYPOINT_CLASSES) + len(PERSON_CLASSES)) + "|"
    for name, outcome in outcomes.items():
        if not outcome.errors:
            continue
        total = max(1, sum(outcome.errors[kind] for kind in KEYPOINT_CLASSES))
        shares = [f"{100 * outcome.errors[kind] / total:.1f} %" for kind in KEYPOINT_CLASSES]
        numbers = [str(outcome.errors[kind]) for kind in PERSON_CLASSES]
        yield f"| {name} | " + " | ".join((*shares, *numbers)) + " |"


def main() -> int:
    """Compare."""
    args = parse_args()
    try:
        run(args)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
