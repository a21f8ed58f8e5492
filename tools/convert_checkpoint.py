"""Convert a checkpoint of another implementation for a config of this package.

Takes official SWAHR and HigherHRNet checkpoints, those of MMPose 0.x with AEHigherResolutionHead,
and the .pdparams of PaddleDetection. An ImageNet HRNet needs no conversion: give it to
`model.backbone.init_cfg`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import command_line

from swahr_mmpose.checkpoints.convert import convert_checkpoint


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("src", type=Path, help="the checkpoint to convert")
    parser.add_argument("dst", type=Path, help="the file to write")
    parser.add_argument(
        "--config", required=True, help="the config that it is for: a path, or one of our names"
    )
    return parser.parse_args(argv)


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Convert; nothing is written where the checkpoint can't be."""
    args = parse_args(argv)
    converted = convert_checkpoint(args.src, args.dst, args.config)
    print(f"Recognised {converted.layout}; wrote {len(converted.kept)} tensors to {args.dst}.")
    for key in converted.dropped:
        command_line.say(f"dropped: {key}")


if __name__ == "__main__":
    sys.exit(main())
