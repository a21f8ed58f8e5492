"""Find the people in any number of images, and write a line of JSON for each image.

The same command resumes a run that was stopped. Images that can't be used are listed with the
reason in NAME.errors.jsonl beside the results, and tried again on the next run.

On several GPUs or machines: `torchrun --nproc_per_node 4 -m swahr_mmpose predict …`. Each
process takes its part, and the first brings the results together.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import command_line
from tqdm import tqdm

from swahr_mmpose.apis import predict_files
from swahr_mmpose.decoding import APPLICATION_OPTIONS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument(
        "images", help="a folder, a text file with a path per line, a glob in quotes, an image"
    )
    parser.add_argument(
        "--config",
        default="swahr_hrnet_w32_coco",
        help="a config's path, or one of our names (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint", dest="weights", help="path or address; by default those of the config"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results.jsonl"),
        help="the file of results, NAME.jsonl (default: %(default)s)",
    )
    parser.add_argument("--batch-size", type=int, default=4, help="images in a batch (default: 4)")
    parser.add_argument(
        "--workers", dest="num_workers", type=int, default=2, help="that read images (default: 2)"
    )
    parser.add_argument("--device", help="such as cpu or cuda:1; by default a GPU if there is one")
    parser.add_argument(
        "--widths", action="store_true", help="write the predicted widths of keypoints too"
    )
    least = parser.add_mutually_exclusive_group()
    least.add_argument(
        "--min-score",
        type=float,
        default=APPLICATION_OPTIONS["min_score"],
        help="leave out people of a lower score (default: %(default)s)",
    )
    least.add_argument(
        "--as-config",
        action="store_const",
        const=None,
        dest="min_score",
        help="all people as the config's test finds them, for evaluation: official grouping, no "
        "least score, and people found twice stay",
    )
    return parser.parse_args(argv)


@command_line.exit_code
def main(argv: list[str] | None = None) -> int:
    """Predict; 0 if there is a result for each image, 1 if some could not be used."""
    args = parse_args(argv)
    first = os.environ.get("RANK", "0") == "0"
    # the delay: it is not there before the first image
    with tqdm(unit=" images", smoothing=0.05, delay=1, disable=None if first else True) as bar:

        def show(done: int, total: int) -> None:
            if not done:
                bar.delay = 0
                bar.reset(total)
            bar.update(done - bar.n)

        predicted = predict_files(**vars(args), progress=show)
    if first:
        command_line.say(f"Images with results: {predicted.num_results} ({args.out})")
        if predicted.num_errors:
            text = f"Images that could not be used: {predicted.num_errors} ({predicted.errors})"
            command_line.say(text, sys.stderr)
    return 1 if predicted.num_errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
