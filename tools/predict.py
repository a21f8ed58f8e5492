"""Find the people in a folder of pictures, however many, and write a line of JSON for each picture.

A run that was stopped, by whatever, goes on where it was with the same command. Pictures that can't
be used are listed with the reason in errors.jsonl beside the results, and tried again then.

On several GPUs or machines: `torchrun --nproc_per_node 4 predict.py …`. Each process takes its
part, and the first brings the results together.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmpose.apis import init_model
from tqdm import tqdm

from swahr_mmpose.apis.application import reads_for_applications
from swahr_mmpose.apis.picture_stream import find_pictures
from swahr_mmpose.apis.prediction import (
    Output,
    bring_together,
    forget_errors,
    keep_settings,
    predict_pictures,
    still_to_do,
)
from swahr_mmpose.decoding import APPLICATION_OPTIONS
from swahr_mmpose.model_zoo import weights_for
from swahr_mmpose.paths import find_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "pictures", help="a folder, a text file with a path per line, a glob in quotes, a picture"
    )
    parser.add_argument("--config", required=True, help="a config's path, or one of our names")
    parser.add_argument(
        "--checkpoint", help="path or address of weights; by default those known for the config"
    )
    parser.add_argument("--out", type=Path, required=True, help="the file of results (.jsonl)")
    parser.add_argument("--batch-size", type=int, default=4, help="pictures in a batch (4)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read pictures (2)")
    parser.add_argument("--device", help="such as cpu or cuda:1; by default a GPU if there is one")
    parser.add_argument(
        "--widths", action="store_true", help="write the predicted widths of keypoints too"
    )
    parser.add_argument(
        "--min-score",
        type=float,
        default=APPLICATION_OPTIONS["min_score"],
        help="leave out people of a lower score (%(default)s)",
    )
    parser.add_argument(
        "--as-config",
        action="store_true",
        help="all people as the config's test finds them, for evaluation: official grouping, no "
        "least score, and people found twice stay",
    )
    return parser.parse_args(argv)


def device_of(args: argparse.Namespace) -> str:
    """The device of this process."""
    if args.device:
        return str(args.device)
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"


def check(args: argparse.Namespace) -> None:
    """Raise an error for arguments that can't be used."""
    if args.batch_size < 1 or args.workers < 0:
        raise ValueError("--batch-size must be at least 1, and --workers at least 0.")
    if not args.out.parent.is_dir():
        raise FileNotFoundError(f"The folder '{args.out.parent}' is not there. Make it.")


def make_model(args: argparse.Namespace, config: Path, checkpoint: str) -> Any:
    """The network, with the options that were asked for."""
    model = init_model(str(config), checkpoint, device=device_of(args))
    model.test_cfg["output_scales"] = args.widths
    if not args.as_config:
        reads_for_applications(model, dict(min_score=args.min_score))
    return model


def main(argv: list[str] | None = None) -> int:
    """Predict; 0 if there is a result for each picture, 1 if some could not be used, else 2."""
    args = parse_args(argv)
    rank, world_size = (
        int(os.environ.get(name, d)) for name, d in (("RANK", 0), ("WORLD_SIZE", 1))
    )
    output = Output(args.out, rank, world_size)
    try:
        check(args)
        config = find_config(args.config)
        checkpoint = args.checkpoint or weights_for(config)
        pictures = find_pictures(args.pictures)
        model = make_model(args, config, checkpoint)
        names = model.dataset_meta["keypoint_id2name"]
        settings = dict(
            config=str(args.config),
            checkpoint=checkpoint,
            widths=args.widths,
            min_score=None if args.as_config else args.min_score,
            keypoints=[names[k] for k in sorted(names)],
        )
        if world_size > 1:
            # parts may take very different times
            dist.init_process_group("gloo", timeout=timedelta(days=30))
        keep_settings(output, settings)
        remaining = still_to_do(pictures, output)
        if rank == 0:
            forget_errors(output)
        if world_size > 1:
            dist.barrier()  # all have read what is done before anyone writes
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    hidden = rank > 0
    with tqdm(total=len(remaining), unit=" pictures", disable=hidden, smoothing=0.05) as bar:
        num_errors = predict_pictures(
            model, remaining, output, args.batch_size, args.workers, bar.update
        )
    if world_size > 1:
        total = torch.tensor([num_errors])
        dist.all_reduce(total)
        num_errors = int(total)
        dist.destroy_process_group()
    if rank == 0:
        bring_together(output)
        print(f"Results of {len(pictures) - num_errors} pictures: {output.results}")
        if num_errors:
            print(f"{num_errors} pictures could not be used: {output.errors}", file=sys.stderr)
    return 1 if num_errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
