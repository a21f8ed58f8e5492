"""Write a network with its test-time aggregation to an ONNX file, which needs nothing else.

The file takes any batch and any size in multiples of 64 pixels, unless --size is given. It is
checked against PyTorch on noise and on smooth noise. In its metadata it says the
keypoints, the decoding options and the normalisation: `swahr_mmpose.runtime.OnnxPoseEstimator`
reads them.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

import command_line

from swahr_mmpose.checkpoints.model_zoo import weights_for
from swahr_mmpose.export.onnx import export_onnx
from swahr_mmpose.utils.config_files import find_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("config", help="a config's path, or one of our names")
    parser.add_argument(
        "checkpoint",
        nargs="?",
        help="path or address of its weights; by default those known for the config",
    )
    parser.add_argument("out", type=Path, help="the file to write, .onnx")
    parser.add_argument(
        "--no-flip", action="store_true", help="leave the mirrored pass out: twice as fast"
    )
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("W", "H"), help="take inputs of this size only"
    )
    parser.add_argument("--fp16", action="store_true", help="compute in half precision")
    parser.add_argument(
        "--widths", action="store_true", help="the widths that a scale branch predicts, too"
    )
    # an option may stand between the checkpoint and the file to write
    return parser.parse_intermixed_args(argv)


def checkpoint_of(args: argparse.Namespace) -> str:
    """The weights that were named, or else those known for the config.

    Raises:
        ValueError: If there are none, or the last argument looks like weights, not like a file to
            write.
    """
    if args.checkpoint:
        return str(args.checkpoint)
    if args.out.suffix != ".onnx":
        raise ValueError(
            f"The last argument is the file to write, but '{args.out}' does not end in .onnx. Name "
            "it after the checkpoint."
        )
    return weights_for(find_config(args.config))


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Export; nothing is written where it can't be done."""
    args = parse_args(argv)
    size = tuple(args.size) if args.size else None
    flip = False if args.no_flip else None
    say = functools.partial(print, flush=True)  # what is done next takes long
    exported = export_onnx(
        args.config, checkpoint_of(args), args.out, flip, size, args.fp16, args.widths, say
    )
    settings = exported.settings
    print(f"Wrote {args.out}: opset {settings.opset}, by {settings.exporter}.")
    print("Largest difference from PyTorch, in units of each map's largest value (at least 1):")
    for name, differences in exported.differences.items():
        figures = ", ".join(f"{key} {value:.1e}" for key, value in differences.items())
        print(f"  {name}: {figures}")


if __name__ == "__main__":
    sys.exit(main())
