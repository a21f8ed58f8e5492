"""Give a network error bars: calibrate what the heights and curvatures of its peaks say of errors.

Finds the people of labelled images that the network was not trained on, fits a factor and an
exponent per keypoint to the errors, and writes the checkpoint with them. Predictions of it, and of
what is exported from it, have `keypoint_sigmas`. Prints how the error bars do on images that they
were not fitted to, each half of the images in turn, beside those of the type of keypoint and the
size of the person alone.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict

import swahr_mmpose  # noqa: F401  (before MMPose's models)

# isort: split
import command_line
import numpy as np
import torch
from mmpose.apis import inference_bottomup, init_model
from scipy.stats import spearmanr
from tqdm import tqdm

from swahr_mmpose.analysis.per_image_ap import labelled_people
from swahr_mmpose.analysis.pose_errors import match_people, similarities
from swahr_mmpose.apis.application_decoding import reads_for_applications
from swahr_mmpose.checkpoints.download import local_file
from swahr_mmpose.checkpoints.model_zoo import weights_for
from swahr_mmpose.checkpoints.reading import read_checkpoint, state_dict_of
from swahr_mmpose.decoding.error_bars import NORMAL_RADII, SHARES, ErrorBars, peak_ratio
from swahr_mmpose.evaluation.coco_index import read_labels
from swahr_mmpose.images.files import read_annotated
from swahr_mmpose.utils.config_files import find_config
from swahr_mmpose.utils.files import check_destination, write_atomically

#: Splits of the images in halves.
_SPLITS = 5

#: Errors are not below this, in input pixels: the logarithm of 0 is infinite.
_LEAST_ERROR = 0.05

#: The square root of the area of a person's box, the measure to beat.
SIZE = "size of the person"

#: Columns of the keypoints that were found and are labelled, (N,) each, in input pixels.
Columns = Dict[str, np.ndarray]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("config", help="a config's path, or one of our names")
    parser.add_argument(
        "checkpoint", nargs="?", help="its weights; by default those known for the config"
    )
    parser.add_argument("--data", type=Path, required=True, help="annotations in COCO's format")
    parser.add_argument("--images", type=Path, required=True, help="folder of their images")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    # an option may stand between config and checkpoint
    return parser.parse_intermixed_args(argv)


def errors_of(
    model: Any,
    data: Path,
    images: Path,
    measures: Callable[[Any, np.ndarray], dict[str, np.ndarray]],
    limit: int | None = None,
) -> Columns:
    """Errors of the keypoints of labelled people who were found, and measures at them.

    Args:
        model: As ``init_model`` gives it.
        data: The annotations.
        images: The folder of the images.
        measures: From a prediction and its keypoints (P, K, 2) in input pixels, measures (P, K) by
            name.
        limit: So many images, the first ones.

    Returns:
        ``image``, its id; ``type``, the keypoint; ``error``; the measures; and :data:`SIZE`.
    """
    reads_for_applications(model)
    model.test_cfg["output_heatmaps"] = True
    meta = model.dataset_meta
    annotations = read_labels(data, meta)
    columns = defaultdict(list)
    for image in tqdm(annotations.dataset["images"][:limit], unit=" images"):
        (sample,) = inference_bottomup(model, read_annotated(images, image))
        people, scale = sample.pred_instances, sample.input_scale[0] / sample.input_size[0]
        labels, areas = labelled_people(annotations, image["id"], meta["num_keypoints"])
        similarity = similarities(people.keypoints, labels, areas, meta["sigmas"])
        person = match_people(similarity, labels[..., 2] > 0, people.bbox_scores)
        people, labels = people[person >= 0], labels[person[person >= 0]]
        places = (people.keypoints - sample.input_center + sample.input_scale / 2) / scale
        distance = np.linalg.norm(people.keypoints - labels[..., :2], axis=-1) / scale
        extent = (people.bboxes[:, 2:] - people.bboxes[:, :2]).clip(1) / scale
        known = (labels[..., 2] > 0) & people.keypoints_found
        values = dict(
            image=image["id"],
            type=np.arange(meta["num_keypoints"]),
            error=distance.clip(_LEAST_ERROR),
            **measures(sample, places),
        )
        values[SIZE] = np.sqrt(extent.prod(axis=1))[:, None]
        for name, own in values.items():
            columns[name].append(np.broadcast_to(own, known.shape)[known])
    return {name: np.concatenate(own) for name, own in columns.items()}


def ratios(sample: Any, places: np.ndarray) -> dict[str, np.ndarray]:
    """The measure that error bars are made of."""
    return {"width / height": peak_ratio(places, sample.pred_fields.heatmaps.numpy())}


def judged(columns: Columns, measure: np.ndarray) -> np.ndarray:
    """Figures of error bars on images that they were not fitted to.

    Returns:
        Spearman's rank correlation with the error; the shares of keypoints in circles that should
        cover 50, 80 and 95 %, first with radii of a normal distribution, then with those fitted;
        and the fitted radii in standard deviations.
    """
    image, types, error = columns["image"], columns["type"], columns["error"]
    images, figures = np.unique(image), []
    for seed in range(_SPLITS):
        order = np.random.default_rng(seed).permutation(images)
        first = np.isin(image, order[: len(images) // 2])
        for fitted in (first, ~first):
            bars = ErrorBars.fit(
                measure[fitted], error[fitted], types[fitted], types.max() + 1, flip=True
            )
            own, own_error = types[~fitted], error[~fitted]
            sigmas = np.array(bars.factors)[own] * measure[~fitted] ** np.array(bars.exponents)[own]
            rho = spearmanr(sigmas, own_error)[0] if np.ptp(sigmas) else 0.0
            covered = [(own_error <= r * sigmas).mean() for r in (*NORMAL_RADII, *bars.radii)]
            figures.append([rho, *covered, *bars.radii])
    mean: np.ndarray = np.mean(figures, axis=0)
    return mean


def table(columns: Columns) -> str:
    """Figures of the baseline and of each measure."""
    shares = " / ".join(f"{100 * share:.0f}" for share in SHARES)
    lines = [
        f"| error bars from | ρ | normal circles of {shares} % cover | fitted ones | their radii |",
        "|---|---|---|---|---|",
    ]
    for name in columns:
        if name not in ("image", "type", "error"):
            rho, *rest = judged(columns, columns[name])
            normal, covered, radii = (
                " / ".join(f"{factor * x:.{digits}f}" for x in part)
                for part, factor, digits in (
                    (rest[:3], 100, 1),
                    (rest[3:6], 100, 1),
                    (rest[6:], 1, 2),
                )
            )
            lines.append(f"| {name} | {rho:.2f} | {normal} | {covered} | {radii} |")
    return "\n".join(lines)


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Calibrate, and write the checkpoint."""
    args = parse_args(argv)
    path = find_config(args.config)
    source = local_file(args.checkpoint or weights_for(path))
    check_destination(args.out, source, path)
    model = init_model(
        str(path), str(source), device="cuda" if torch.cuda.is_available() else "cpu"
    )
    columns = errors_of(model, args.data, args.images, ratios)
    bars = ErrorBars.fit(
        columns["width / height"],
        columns["error"],
        columns["type"],
        model.dataset_meta["num_keypoints"],
        bool(model.test_cfg.get("flip_test", False)),
    )
    print(table(columns))
    meta = dict(dataset_meta=dict(model.dataset_meta, error_bars=asdict(bars)))
    content = io.BytesIO()
    # as they were read: the model also has weights that the checkpoint lacks
    torch.save(dict(meta=meta, state_dict=state_dict_of(read_checkpoint(source), source)), content)
    write_atomically(args.out, content.getvalue())
    print(f"Wrote {args.out}, calibrated on {len(columns['error'])} keypoints.")


if __name__ == "__main__":
    sys.exit(main())
