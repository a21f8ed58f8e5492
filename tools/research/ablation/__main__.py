"""The ablation: HigherHRNet, SAHR, WAHR and SWAHR on the same data, budget and seeds.

`run` trains what is missing, one process per run, and leaves one JSON record each in
`docs/results`; stopped, it goes on where it was. `report` writes `docs/results.md` and its plots
from all records there are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path

from ablation_report import write_report
from ablation_run import EXPERIMENTS, Budget, Experiment, Job, run_job, settings_of
from ablation_variants import MAIN_VARIANTS, VARIANTS

from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

_RECORDS = Path("docs/results")


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="tools/research/ablation",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--records", type=Path, default=_RECORDS, help="folder of the records")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    run.add_argument("experiments", nargs="+", choices=EXPERIMENTS, metavar="experiment",
                     help=", ".join(EXPERIMENTS))  # fmt: skip
    run.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(MAIN_VARIANTS))
    run.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    run.add_argument("--iterations", type=int, default=960)
    run.add_argument("--batch-size", type=int, default=8)
    run.add_argument("--no-bf16", dest="bf16", action="store_false",
                     help="train the network in float32 and not in bfloat16")  # fmt: skip
    run.add_argument("--train-images", type=int, default=1500, help="for drawn images")
    run.add_argument("--val-images", type=int, default=300, help="for drawn images")
    run.add_argument("--jobs", type=int, default=1, help="runs at a time")
    run.add_argument("--workers", type=int, default=0, help="data loading processes of a run")
    run.add_argument("--work-dir", type=Path, default=Path("work_dirs/ablation"),
                     help="drawn images, logs and checkpoints")  # fmt: skip
    report = commands.add_parser("report", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    report.add_argument("--out", type=Path, default=Path("docs/results.md"))
    return parser.parse_args()


def prepare_data(name: str, experiment: Experiment, budget: Budget, work_dir: Path) -> Path:
    """The folder of an experiment's images, which are drawn if they are to be."""
    if not experiment.generated:
        root = os.environ.get("SWAHR_REAL_DATA")
        if not root:
            raise ValueError(
                f"The experiment {name} needs real images: set SWAHR_REAL_DATA to their folder "
                "(see the README)."
            )
        return Path(root) / "coco"
    folder = work_dir / f"data_{name}_{budget.train_images}_{budget.val_images}"
    # the held-out labels are without noise: what is measured is how near the truth people are
    for part, num_images, seed, noise in (
        ("train", budget.train_images, experiment.image_seed, experiment.label_noise),
        ("val", budget.val_images, 1, 0.0),
    ):
        # the annotations are written last, so that a part stopped half-way is drawn again
        if not (folder / "annotations" / f"{part}.json").exists():
            generate_dataset(folder, part, SyntheticOptions(num_images, seed, label_noise=noise))
    return folder


def missing_jobs(args: argparse.Namespace) -> list[Job]:
    """The runs that have no record yet, all variants of a seed before the next seed.

    Raises:
        ValueError: If a record of the same experiment was made with other settings, or real
            images are wanted and there are none.
    """
    budget = Budget(args.iterations, args.batch_size, args.bf16, args.train_images, args.val_images)
    folders, backbones = {}, {}
    for name in args.experiments:
        check_settings(args.records / name, settings_of(name, budget))
        backbones[name] = find_backbone(name, args.work_dir)
        folders[name] = prepare_data(name, EXPERIMENTS[name], budget, args.work_dir)
    jobs = []
    for seed, name, variant in product(args.seeds, args.experiments, args.variants):
        record = args.records / name / f"{variant}_seed{seed}.json"
        if not record.exists():
            work_dir = args.work_dir / name / f"{variant}_seed{seed}"
            threads = max(1, len(os.sched_getaffinity(0)) // args.jobs)
            jobs.append(
                Job(name, variant, seed, budget, folders[name], work_dir, record,
                    backbones[name], threads, args.workers)
            )  # fmt: skip
    return jobs


def find_backbone(name: str, work_dir: Path) -> Path | None:
    """The checkpoint that an experiment's backbone starts from.

    Raises:
        ValueError: If it is not there, or not trained to its end.
    """
    source = EXPERIMENTS[name].backbone
    if source is None:
        return None
    folder = work_dir / source / "higherhrnet_seed0"
    last, record = folder / "last_checkpoint", folder / "record.json"
    if not (last.exists() and record.exists()):
        raise ValueError(
            f"The backbone of the experiment {name} is that of another, {source}, and {folder} "
            f"holds no complete run. Make it first: run {source} --variants higherhrnet --seeds 0 "
            "(with another folder as `--records` where there is a record of it already)"
        )
    return Path(last.read_text().strip())


def check_settings(folder: Path, settings: dict[str, object]) -> None:
    """Raise a ValueError if a record in the folder was made with other settings."""
    for path in sorted(folder.glob("*.json")):
        recorded = json.loads(path.read_text())["settings"]
        for key, value in settings.items():
            if recorded.get(key) != value:
                raise ValueError(
                    f"{path} was made with `{key}` {recorded.get(key)!r}, and this would be made "
                    f"with {value!r}: they can't be compared. Give the same, or another folder "
                    "as `--records`."
                )


def run(args: argparse.Namespace) -> None:
    """Make the missing records, a fresh process for each run."""
    jobs = missing_jobs(args)
    print(f"{len(jobs)} runs to do", flush=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, context, max_tasks_per_child=1) as pool:
        pending = {pool.submit(run_job, job): job for job in jobs}
        for done, future in enumerate(as_completed(pending), start=1):
            future.result()
            print(f"{done} of {len(jobs)}: {pending[future].record}", flush=True)


def main() -> int:
    """Run or report; errors of input are printed without a traceback."""
    args = parse_args()
    try:
        if args.command == "run":
            run(args)
        else:
            write_report(args.records, args.out)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
