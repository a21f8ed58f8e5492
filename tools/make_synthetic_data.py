"""Generate images of drawn people with COCO annotations.

Writes OUT/images/NAME/*.jpg and OUT/annotations/NAME.json. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import command_line
from tqdm import tqdm

from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("out", type=Path, help="folder of the dataset")
    parser.add_argument("--name", default="train", help="name of the part (default: train)")
    parser.add_argument("--num-images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--long-side", type=int, default=320, help="of an image, in pixels")
    parser.add_argument(
        "--label-noise",
        type=float,
        default=0.0,
        help="deviation of the noise on keypoints, in units of COCO's, 2·sigma·sqrt(area)",
    )
    return parser.parse_args(argv)


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Generate."""
    args = parse_args(argv)
    options = SyntheticOptions(args.num_images, args.seed, args.long_side, args.label_noise)
    path = generate_dataset(
        args.out, args.name, options, lambda it: tqdm(it, unit="image", disable=None)
    )
    print(f"Wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
