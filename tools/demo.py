"""People found by the network that comes with the package, then one trained from nothing beside it.

Draws images of people, finds them with the network of the package, trains the same network from
random weights for a few minutes through `mim train`, tests both through `mim test` on images that
neither has seen, and draws what they found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import command_line
import cv2
from tqdm import tqdm

import swahr_mmpose
from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset
from swahr_mmpose.visualization import draw_people

NAME = "swahr_tiny_synthetic"
CONFIG = swahr_mmpose.config_path(NAME)

#: Iterations after which the learning rate of the config's schedule has risen to its full value.
WARM_UP = 50

#: Folders for the drawn images, for logs and checkpoints, and for images of people found.
DATA, WORK_DIR, OUT = Path("data/synthetic"), Path("work_dirs/demo"), Path("demo_output")

#: Drawn images are small: they are shown so many times as large.
ZOOM = 2


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    for option, default, meaning in (
        ("--train-images", 1500, "images to train on"),
        ("--val-images", 100, "images to measure AP on"),
        ("--iterations", 300, f"length of the training, more than {WARM_UP}"),
    ):
        text = f"{meaning} (default: {default})"
        parser.add_argument(option, type=int, default=default, help=text)
    args = parser.parse_args(argv)
    if args.iterations <= WARM_UP:
        parser.error(f"--iterations must be over {WARM_UP}, the warm-up")
    return args


def mim(*args: str) -> None:
    """Run mim of this environment, its output shown."""
    subprocess.run([Path(sys.executable).with_name("mim"), *args], check=True)


def draw_data(folder: Path, name: str, num_images: int, seed: int) -> None:
    """Images of drawn people with annotations."""
    options = SyntheticOptions(num_images, seed)
    generate_dataset(folder, name, options, lambda it: tqdm(it, f"drawing {name}", disable=None))


def draw_found(weights: str, images: Path, out: Path) -> int:
    """People in each image; how many were drawn."""
    out.mkdir(parents=True, exist_ok=True)
    inferencer = BottomupInferencer(NAME, weights, device="cpu")
    skeleton = inferencer.inferencer.model.dataset_meta["skeleton_links"]
    drawn = 0
    for path in sorted(images.iterdir()):
        (result,) = inferencer(str(path), return_datasamples=True)
        people = result["predictions"][0].pred_instances
        found = people.keypoints, people.keypoint_scores, people.bbox_scores, skeleton
        image = draw_people(cv2.imread(str(path)), *found, zoom=ZOOM)
        cv2.imwrite(str(out / path.name), image)
        drawn += int((people.bbox_scores >= 0.3).sum())
    return drawn


def test(weights: str, work_dir: Path, data: Path) -> dict[str, float]:
    """The figures of `mim test`."""
    options = ["--work-dir", str(work_dir), "--cfg-options"]
    options += [f"data_root={data}/", f"test_dataloader.dataset.data_root={data}/"]
    mim("test", "mmpose", str(CONFIG), "--checkpoint", weights, *options)
    newest = max(work_dir.glob("*/*.json"), key=lambda file: file.stat().st_mtime)
    return json.loads(newest.read_text().splitlines()[-1])


def train(work_dir: Path, data: Path, iterations: int) -> str:
    """Train from random weights with the config's schedule shortened; the checkpoint."""
    options = ["--work-dir", str(work_dir), "--no-validate", "--cfg-options"]
    options += [f"data_root={data}/", f"train_dataloader.dataset.data_root={data}/"]
    options += [f"train_cfg.max_iters={iterations}", f"param_scheduler.1.end={iterations}"]
    options += [f"default_hooks.checkpoint.interval={iterations}"]
    mim("train", "mmpose", str(CONFIG), *options)
    return (work_dir / "last_checkpoint").read_text().strip()


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Run the steps and print what came out."""
    args = parse_args(argv)
    start = time.monotonic()
    packaged = weights_of(NAME)
    draw_data(DATA, "unseen", 12, seed=2)
    unseen = DATA / "images" / "unseen"
    num_people = draw_found(packaged, unseen, OUT / "packaged")
    print(
        f"\nThe network that comes with the package found {num_people} people in 12 images, "
        f"after {time.monotonic() - start:.0f} seconds: {OUT / 'packaged'}\n\n"
        f"Now one is trained from nothing, for {args.iterations} iterations.\n",
        flush=True,
    )
    draw_data(DATA, "train", args.train_images, seed=0)
    draw_data(DATA, "val", args.val_images, seed=1)
    trained = train(WORK_DIR / "train", DATA, args.iterations)
    figures = [
        test(weights, WORK_DIR / name, DATA)
        for name, weights in (("packaged", packaged), ("trained", trained))
    ]
    draw_found(trained, unseen, OUT / "trained")

    print(f"\nOn {args.val_images} images that neither has seen, with flip test:\n")
    print(f"  {'':<40}{'packaged':>10}{'trained now':>14}")
    for name, key in (
        ("AP", "coco/AP"),
        ("AP50", "coco/AP .5"),
        ("AP, medium people (32² to 96² pixels)", "coco/AP (M)"),
        ("AP, large people (over 96² pixels)", "coco/AP (L)"),
    ):
        print(f"  {name:<40}{figures[0][key]:>10.3f}{figures[1][key]:>14.3f}")
    print(f"\nPeople: {OUT / 'packaged'}, {OUT / 'trained'}")
    print(f"Checkpoint: {trained}")
    print(f"Time:       {(time.monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    sys.exit(main())
