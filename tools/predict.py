"""Find the people in a folder of images, however many, and write a line of JSON for each image.

A run that was stopped, by whatever, goes on where it was with the same command. Images that can't
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

from swahr_mmpose.apis.application_decoding import reads_for_applications
from swahr_mmpose.apis.image_stream import ImageFile, find_images
from swahr_mmpose.apis.prediction import predict_images
from swahr_mmpose.apis.results_file import (
    Output,
    bring_together,
    forget_errors,
    keep_settings,
    start_of_sha256,
    still_to_do,
)
from swahr_mmpose.checkpoints.model_zoo import weights_for
from swahr_mmpose.decoding import APPLICATION_OPTIONS
from swahr_mmpose.utils.config_files import find_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "images", help="a folder, a text file with a path per line, a glob in quotes, an image"
    )
    parser.add_argument("--config", required=True, help="a config's path, or one of our names")
    parser.add_argument(
        "--checkpoint", help="path or address of weights; by default those known for the config"
    )
    parser.add_argument("--out", type=Path, required=True, help="the file of results: NAME.jsonl")
    parser.add_argument("--batch-size", type=int, default=4, help="images in a batch (default: 4)")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes that read images (default: 2)"
    )
    parser.add_argument("--device", help="such as cpu or cuda:1; by default a GPU if there is one")
    parser.add_argument(
        "--widths", action="store_true", help="write the predicted widths of keypoints too"
    )
    parser.add_argument(
        "--min-score",
        type=float,
        help=f"leave out people of a lower score (default: {APPLICATION_OPTIONS['min_score']})",
    )
    parser.add_argument(
        "--as-config",
        action="store_true",
        help="all people as the config's test finds them, for evaluation: official grouping, no "
        "least score, and people found twice stay",
    )
    args = parser.parse_args(argv)
    if args.as_config and args.min_score is not None:
        parser.error(
            f"--min-score {args.min_score} has no effect with --as-config, which leaves out no "
            "one. Give one of them."
        )
    if not args.as_config and args.min_score is None:
        args.min_score = APPLICATION_OPTIONS["min_score"]
    return args


def device_of(args: argparse.Namespace) -> str:
    """The device of this process."""
    if args.device:
        return str(args.device)
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"


def check(args: argparse.Namespace) -> None:
    """Raise an error for numbers that can't be used."""
    if args.batch_size < 1 or args.workers < 0:
        raise ValueError(
            f"--batch-size is {args.batch_size} and --workers {args.workers}: give at least 1 and "
            "at least 0."
        )


def make_model(args: argparse.Namespace, config: Path, checkpoint: str) -> Any:
    """The network, with the options that were asked for."""
    model = init_model(str(config), checkpoint, device=device_of(args))
    if args.widths and not model.head.scales_known:
        raise ValueError(
            f"--widths: '{checkpoint}' has no scale branch, which predicts widths. Leave it out."
        )
    model.test_cfg["output_scales"] = args.widths
    if not args.as_config:
        reads_for_applications(model, dict(min_score=args.min_score))
    return model


def settings_of(args: argparse.Namespace, checkpoint: str, model: Any) -> dict[str, Any]:
    """What all of a file's results have to be made with."""
    names = model.dataset_meta["keypoint_id2name"]
    source = Path(args.images)
    return dict(
        config=str(args.config),
        checkpoint=checkpoint,
        # a file under the same path may have been trained on since
        checkpoint_sha256=start_of_sha256(checkpoint),
        # images are named relative to it
        folder=str(source.resolve()) if source.is_dir() else None,
        widths=args.widths,
        min_score=args.min_score,
        keypoints=[names[k] for k in sorted(names)],
    )


def sum_of_all(number: int, world_size: int) -> int:
    """The sum over the processes, which wait for each other."""
    if world_size == 1:
        return number
    total = torch.tensor([number])
    dist.all_reduce(total)
    return int(total)


def predict(
    args: argparse.Namespace, config: Path, checkpoint: str, images: list[ImageFile], output: Output
) -> int:
    """Predict, as one of the processes that are connected; the exit status."""
    failed = 0
    try:
        model = make_model(args, config, checkpoint)
        remaining = still_to_do(images, output)
        keep_settings(output, settings_of(args, checkpoint, model))
        if output.rank == 0:
            forget_errors(output)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        failed = 1
    # no one goes on where another can't, or writes results before all have read what is done
    if sum_of_all(failed, output.world_size):
        return 2
    hidden = output.rank > 0
    if len(remaining) < len(images) and not hidden:
        done = len(images) - len(remaining)
        have = "has" if done == 1 else "have"
        print(f"{done} of {count(len(images))} {have} results already.", flush=True)
    share = output.share(remaining)
    with tqdm(total=len(share), unit=" images", disable=hidden, smoothing=0.05) as bar:
        own_errors = predict_images(model, share, output, args.batch_size, args.workers, bar.update)
    num_errors = sum_of_all(own_errors, output.world_size)
    if output.rank == 0:
        bring_together(output)
        report(len(images), num_errors, output)
    return 1 if num_errors else 0


def count(num_images: int) -> str:
    """So many images, in words."""
    return f"{num_images} image" if num_images == 1 else f"{num_images} images"


def report(num_images: int, num_errors: int, output: Output) -> None:
    """Print how many images there are results of; at once, as torchrun may stop this process."""
    print(f"Results of {count(num_images - num_errors)}: {output.results}", flush=True)
    if num_errors:
        text = f"{count(num_errors)} could not be used: {output.errors}"
        print(text, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Predict; 0 if there is a result for each image, 1 if some could not be used, else 2."""
    args = parse_args(argv)
    rank, world_size = (
        int(os.environ.get(name, d)) for name, d in (("RANK", 0), ("WORLD_SIZE", 1))
    )
    output = Output(args.out, rank, world_size)
    try:
        check(args)
        output.check()
        config = find_config(args.config)
        checkpoint = args.checkpoint or weights_for(config)
        images = find_images(args.images)
        if world_size > 1:
            # before the model: one process of a machine downloads weights, and the others wait;
            # parts may take very different times
            dist.init_process_group("gloo", timeout=timedelta(days=30))
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    status = predict(args, config, checkpoint, images, output)
    if world_size > 1:
        # torchrun stops the others once one ends with a status: not before the first is done
        dist.barrier()
        dist.destroy_process_group()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
