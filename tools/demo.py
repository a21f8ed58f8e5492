"""From nothing to people found in pictures: generate data, train, test, and look.

Trains the tiny config on drawn people through `mim train`, tests it through `mim test` and runs
MMPose's inferencer on pictures that it never saw.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
from mmpose.apis import MMPoseInferencer
from tqdm import tqdm

import swahr_mmpose
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset
from swahr_mmpose.visualization import draw_keypoint_circles

CONFIG = swahr_mmpose.config_path("swahr_tiny_synthetic")
NUM_TRAIN, NUM_VAL, NUM_UNSEEN = 1500, 100, 12


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/synthetic"))
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/demo"))
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    return parser.parse_args()


def mim(*args: str) -> None:
    """Run mim of this environment, its output shown."""
    subprocess.run([Path(sys.executable).with_name("mim"), *args], check=True)


def generate(folder: Path) -> None:
    """The training, held-out and unseen parts."""
    for name, num_images, seed in (
        ("train", NUM_TRAIN, 0),
        ("val", NUM_VAL, 1),
        ("unseen", NUM_UNSEEN, 2),
    ):
        options = SyntheticOptions(num_images, seed)
        generate_dataset(folder, name, options, lambda it, n=name: tqdm(it, f"drawing {n}"))


def test_results(work_dir: Path) -> dict[str, float]:
    """The figures of the newest test."""
    path = max(work_dir.glob("*/*.json"), key=lambda file: file.stat().st_mtime)
    return json.loads(path.read_text().splitlines()[-1])


def draw(checkpoint: Path, pictures: Path, out: Path) -> None:
    """Skeletons and keypoint widths, through MMPose's inferencer."""
    inferencer = MMPoseInferencer(pose2d=str(CONFIG), pose2d_weights=str(checkpoint), device="cpu")
    model = inferencer.inferencer.model
    model.test_cfg["output_scales"] = True
    (out / "widths").mkdir(parents=True, exist_ok=True)
    colors = model.dataset_meta["keypoint_colors"][:, ::-1]  # BGR
    results = inferencer(
        str(pictures), out_dir=str(out), return_datasamples=True, kpt_thr=0.2, pred_out_dir=""
    )
    for result in results:
        (sample,) = result["predictions"]
        people = sample.pred_instances
        path = Path(sample.img_path)
        drawn = draw_keypoint_circles(
            cv2.imread(str(path)),
            people.keypoints,
            people.keypoint_widths,
            people.keypoint_scores,
            colors,
        )
        cv2.imwrite(str(out / "widths" / path.name), drawn)


def main() -> None:
    """Run the steps and print what came out."""
    args = parse_args()
    start = time.monotonic()
    generate(args.data)
    options = ["--work-dir", str(args.work_dir), "--cfg-options", f"data_root={args.data}/"]
    for part in ("train", "test"):
        options.append(f"{part}_dataloader.dataset.data_root={args.data}/")
    mim("train", "mmpose", str(CONFIG), "--no-validate", *options)
    checkpoint = Path((args.work_dir / "last_checkpoint").read_text().strip())
    mim("test", "mmpose", str(CONFIG), "--checkpoint", str(checkpoint), *options)
    results = test_results(args.work_dir)
    draw(checkpoint, args.data / "images" / "unseen", args.out)

    print(f"\nOn {NUM_VAL} pictures held out from training, with flip test:\n")
    for name, key in (
        ("AP", "coco/AP"),
        ("AP50", "coco/AP .5"),
        ("AP, medium people (32² to 96² pixels)", "coco/AP (M)"),
        ("AP, large people (over 96² pixels)", "coco/AP (L)"),
    ):
        print(f"  {name:<40}{results[key]:.3f}")
    print(f"\nSkeletons:       {args.out / 'visualizations'}")
    print(f"Keypoint widths: {args.out / 'widths'}")
    print(f"Checkpoint:      {checkpoint}")
    print(f"Time:            {(time.monotonic() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
