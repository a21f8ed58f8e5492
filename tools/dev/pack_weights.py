"""Make the file of weights that comes with the package from a checkpoint of a training.

Keeps the network in half precision and the dataset's meta information, and drops the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from swahr_mmpose.checkpoints.reading import read_checkpoint, state_dict_of


def main() -> None:
    """Read the command line, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    checkpoint = read_checkpoint(args.checkpoint)
    weights = {
        name: value.half() if value.is_floating_point() else value
        for name, value in state_dict_of(checkpoint, args.checkpoint).items()
    }
    meta = dict(dataset_meta=checkpoint["meta"]["dataset_meta"])
    torch.save(dict(meta=meta, state_dict=weights), args.out)
    print(f"Wrote {args.out.stat().st_size / 1e6:.1f} MB to {args.out}")


if __name__ == "__main__":
    main()
