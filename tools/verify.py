"""Test a network on a dataset, and write a receipt: which files, where, and the AP that came out.

`swahr verify swahr_hrnet_w32_coco --data data/coco --expect 68.9` downloads the weights of the
config, runs its test, and writes swahr_hrnet_w32_coco.receipt.json. Exit code 1 if the AP is more
than half a point from what was expected.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import command_line
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from scipy.stats import spearmanr

from swahr_mmpose.analysis.bootstrap import compare
from swahr_mmpose.analysis.per_image_ap import FoundPeople, ImageResult, evaluate_images
from swahr_mmpose.checkpoints.download import local_file
from swahr_mmpose.checkpoints.model_zoo import weights_for
from swahr_mmpose.decoding import APPLICATION_OPTIONS
from swahr_mmpose.evaluation.coco_index import read_labels
from swahr_mmpose.layout import STRIDES
from swahr_mmpose.utils.config_files import find_config, read_config
from swahr_mmpose.utils.environment import STACK, installed_version
from swahr_mmpose.utils.files import check_destination, sha256_of, write_atomically
from swahr_mmpose.version import __version__

#: How far the AP may be from what was expected, in per cent.
_TOLERANCE = 0.5

#: Widths of so many people say what there is to say.
_MOST_PEOPLE = 2000


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("config", help="a config's path, or one of our names")
    parser.add_argument(
        "--data", type=Path, required=True, help="the dataset's folder, the config's `data_root`"
    )
    parser.add_argument(
        "--checkpoint", help="path or address; by default the weights of the config"
    )
    parser.add_argument("--expect", type=float, help="the AP that should come out, in per cent")
    parser.add_argument("--out", type=Path, help="the receipt (default: NAME.receipt.json)")
    return parser.parse_args(argv)


def hash_of_data(annotations: Path, images: Iterable[str]) -> str:
    """The SHA-256 of an annotation file and images, whatever folder they lie in."""
    digest = hashlib.sha256(sha256_of(annotations).encode())
    for image in sorted(images):
        digest.update(sha256_of(image).encode())
    return digest.hexdigest()


def interval_of(results: Path, annotations: Path, meta: dict[str, Any]) -> list[float]:
    """The 95 % interval of AP in per cent, by a bootstrap over images.

    Args:
        results: The file that the metric writes.
        annotations: The labels.
        meta: The dataset's description.
    """
    labels = read_labels(annotations, meta)
    people = defaultdict(list)
    for person in json.loads(results.read_text(encoding="utf-8")):
        people[person["image_id"]].append(person)
    num_keypoints, found = len(meta["sigmas"]), {}
    for image in labels.getImgIds():
        keypoints = np.array([person["keypoints"] for person in people[image]], float)
        scores = np.array([person["score"] for person in people[image]], float)
        found[image] = FoundPeople(keypoints.reshape(-1, num_keypoints, 3)[..., :2], scores)
    ours = evaluate_images(labels, found, meta["sigmas"])
    nothing = np.zeros((len(ours[0].matched), 0), bool)
    # the difference in AP from finding no one
    none = [ImageResult(np.zeros(0), nothing, nothing, image.num_people) for image in ours]
    difference = compare(none, ours)
    return [round(100 * end, 2) for end in (difference.low, difference.high)]


class Widths(Hook):
    """Widths that a scale branch predicts for found keypoints, in multiples of the base width.

    They are collected in the test, of 2,000 people or fewer.
    """

    def __init__(self) -> None:
        self.widths: list[np.ndarray] = []
        self.people: list[tuple[float, float]] = []

    def before_test(self, runner: Runner) -> None:
        """Have them predicted, where the weights that were loaded have a scale branch."""
        runner.model.test_cfg["output_scales"] = runner.model.head.scales_known

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Take over those of a batch."""
        base = STRIDES[-1] * runner.model.head.decoder.sigma
        for sample in outputs if runner.model.head.scales_known else ():
            if len(self.people) >= _MOST_PEOPLE:
                break
            found, scale = sample.pred_instances, sample.input_scale[0] / sample.input_size[0]
            for box, own, known, score in zip(
                found.bboxes, found.keypoint_widths, found.keypoints_found, found.bbox_scores
            ):
                if score >= APPLICATION_OPTIONS["min_score"]:
                    # in pixels of the image, both would follow the image's size
                    width, size = own[known] / (base * scale), np.prod(box[2:] - box[:2]) ** 0.5
                    self.widths.append(width)
                    self.people.append((size / scale, width.mean()))

    def figures(self) -> dict[str, Any] | None:
        """What the receipt says of them.

        Returns:
            ``mean`` and ``deviation`` over the keypoints, and ``correlation_with_size``,
            Spearman's between a person's mean width and the square root of the box's area, None
            where all widths are the same. None without a scale branch, or with too few people.
        """
        if len(self.people) < 3:
            return None
        every, rho = np.concatenate(self.widths), spearmanr(self.people)[0]
        return dict(
            people=len(self.people),
            mean=round(float(every.mean()), 4),
            deviation=round(float(every.std()), 4),
            correlation_with_size=None if np.isnan(rho) else round(float(rho), 3),
        )


def test(config: Any, weights: Path, data: Path) -> dict[str, Any]:
    """The receipt of a test: what was tested, on what, where, and what came out."""
    init_default_scope("mmpose")
    with tempfile.TemporaryDirectory() as folder:
        config.update(work_dir=folder, load_from=str(weights), experiment_name=Path(folder).name)
        config.visualizer.name = folder  # MMEngine keeps those of a name for the process
        config.test_dataloader.dataset.data_root = str(data)
        config.test_evaluator.outfile_prefix = str(Path(folder, "results"))
        runner, widths = Runner.from_cfg(config), Widths()
        runner.register_hook(widths)
        dataset = runner.test_dataloader.dataset
        images = [dataset.get_data_info(index)["img_path"] for index in range(len(dataset))]
        annotations = Path(dataset.ann_file)
        figures = runner.test()
        interval = None
        evaluator = config.test_evaluator
        if (evaluator.type, evaluator.get("iou_type")) == ("BottomupCocoMetric", None):
            results = Path(folder, "results.keypoints.json")
            interval = interval_of(results, annotations, dataset.metainfo)
        seconds = float(runner.message_hub.get_scalar("test/time").data[0].sum())
    on_gpu = torch.cuda.is_available()
    return dict(
        weights=dict(file=weights.name, bytes=weights.stat().st_size, sha256=sha256_of(weights)),
        data=dict(
            annotations=annotations.name,
            images=len(images),
            sha256=hash_of_data(annotations, images),
        ),
        ap=round(100 * next(value for name, value in figures.items() if name.endswith("/AP")), 2),
        ap_interval=interval,
        widths=widths.figures(),
        seconds_per_image=round(seconds / len(images), 4),
        device=torch.cuda.get_device_name() if on_gpu else f"CPU ({platform.machine()})",
        versions=dict(
            python=platform.python_version(),
            swahr_mmpose=__version__,
            **{name: installed_version(name) for name in STACK},
        ),
    )


@command_line.exit_code
def main(argv: list[str] | None = None) -> int:
    """Test, and write the receipt."""
    args = parse_args(argv)
    path = find_config(args.config)
    out = args.out or Path(f"{path.stem}.receipt.json")
    check_destination(out)
    weights = local_file(args.checkpoint or weights_for(path))
    receipt = dict(
        config=path.stem, expected=args.expect, **test(read_config(path), weights, args.data)
    )
    write_atomically(out, f"{json.dumps(receipt, indent=2)}\n".encode())
    widths = receipt["widths"]
    if widths:
        print(
            f"Keypoint widths: {widths['mean']} ± {widths['deviation']} of the base width; rank "
            f"correlation with a person's size {widths['correlation_with_size']}."
        )
    expected = "" if args.expect is None else f", {args.expect} expected"
    print(f"AP {receipt['ap']} on {receipt['data']['images']} images{expected}. Wrote {out}.")
    return int(args.expect is not None and abs(receipt["ap"] - args.expect) > _TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
