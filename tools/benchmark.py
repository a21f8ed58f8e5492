"""Measure this package against stock MMPose, or a stated floor, in one run.

Each row runs ours and its counterpart in turn, again and again, and gives the medians and their
ratio. Only ratios say something on a machine that others use too. Rows for a GPU need
`--device cuda`; without one they are left out and said to be.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime
import platform
import pstats
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import command_line
import matplotlib.pyplot as plt
import mmpose
import numpy as np
import torch
from mmengine.registry import init_default_scope

import swahr_mmpose

sys.path.insert(0, str(Path(__file__).resolve().parent / "research"))
from benchmark_rows.maps import aggregated_maps, hard_maps, our_codec
from benchmark_rows.row import Row
from benchmark_rows.rows import ROWS, decode_rows, synchronize, target_bytes

#: What is measured without a counterpart.
EXTRAS = ("scaling", "hard", "profile")

#: The official schedule: epochs, images of train2017 with people, images in a step of 8 GPUs.
EPOCHS, COCO_IMAGES, TOTAL_BATCH = 300, 64115, 80

#: Peak memory of one image through a multi-scale test, in a process of its own.
_MEMORY_SCRIPT = """
import sys, threading, time
import numpy as np
from mmengine.config import Config
import swahr_mmpose
from mmpose.apis import inference_bottomup, init_model
config = Config.fromfile(swahr_mmpose.config_path("swahr_tiny_synthetic"))
size = int(sys.argv[1])
config.test_dataloader.dataset.pipeline[1].update(input_size=size, scales=(1, 0.5, 2))
model = init_model(config, device="cpu")
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4  # KiB
seen = [resident()]
done = threading.Event()
def watch():
    while not done.is_set():
        seen.append(resident())
        time.sleep(0.002)
watcher = threading.Thread(target=watch)
watcher.start()
inference_bottomup(model, np.zeros((480, 480, 3), np.uint8))
done.set()
watcher.join()
print(max(seen) - seen[0])
"""


def measure(row: Row, repeats: int, device: str) -> tuple[float, float]:
    """Median seconds of ours and the counterpart, in turn, for one of what a run does."""
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 2):
        for run, own in zip((row.ours, row.other), times):
            start = time.perf_counter()
            run()
            synchronize(device)
            if repeat >= 2:  # the first ones warm up
                own.append(time.perf_counter() - start)
    ours, other = (float(np.median(own)) / row.count for own in times)
    return ours, other


def ratio(ours: float, other: float) -> str:
    """How many times as long the counterpart takes, with two digits after the first at least."""
    times = other / ours
    return f"{times:.2f}" if times >= 1 else f"{times:.3g}"


def peak_memory(run: Callable[[], Any]) -> float:
    """MiB of a GPU's memory that a run takes beyond what is held before it."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def memory_line(row: Row) -> str:
    """Peak memory of ours and the counterpart."""
    ours, other = peak_memory(row.ours), peak_memory(row.other)
    return (
        f"Peak memory beyond weights and optimiser, {row.name}: {ours:.0f} MiB, "
        f"{row.other_name} {other:.0f} MiB ({ours / other:.3f}×)."
    )


def rate_line(row: Row, ours: float, other: float) -> str:
    """How many per second."""
    return f"Per second, {row.name}: {1 / ours:.3g}; {row.other_name}: {1 / other:.3g}."


def hours_line(row: Row, seconds: float) -> str:
    """What the official schedule would take on 8 GPUs of this kind."""
    hours = EPOCHS * COCO_IMAGES / TOTAL_BATCH * seconds / 3600
    return (
        f"{EPOCHS} epochs of COCO on 8 such GPUs at this rate, communication not counted, "
        f"{row.name}: {hours:.0f} hours."
    )


def notes_of(row: Row, ours: float, other: float) -> list[str]:
    """What is to be said of a row below the table."""
    notes = [memory_line(row), hours_line(row, ours)] if row.memory else []
    return [*notes, rate_line(row, ours, other)] if row.rate else notes


def scaling(repeats: int, plot: Path | None) -> list[str]:
    """Decode time against people and image size, and memory of a multi-scale test."""
    codec = our_codec(512)
    people = {
        num_people: 1e3 * median_time(codec, aggregated_maps(640, num_people), repeats)
        for num_people in (1, 5, 15, 30, 60, 200)
    }
    sizes = {
        size: 1e3 * median_time(codec, aggregated_maps(size, 10), max(3, repeats // 4))
        for size in (256, 512, 1024, 2048)
    }
    memory = {size: multi_scale_memory(size) for size in (256, 512, 768, 1024)}
    if plot:
        draw_scaling(people, sizes, memory, plot)
    lines = ["", "| decode, people at 640×640 | ms | ms per person |", "|---|---|---|"]
    lines += [f"| {n} | {ms:.1f} | {ms / n:.2f} |" for n, ms in people.items()]
    lines += ["", "| decode, image size, 10 people | ms | ms per megapixel |", "|---|---|---|"]
    lines += [f"| {n} | {ms:.1f} | {ms / (n**2 / 1e6):.1f} |" for n, ms in sizes.items()]
    lines += ["", "| multi-scale test, size at scale 1 | peak memory, MiB | per megapixel |"]
    lines += ["|---|---|---|"]
    lines += [f"| {n} | {mib:.0f} | {mib / (n**2 / 1e6):.0f} |" for n, mib in memory.items()]
    return lines


def hard(repeats: int) -> list[str]:
    """Decode time of maps on which every pixel may be somebody."""
    lines = ["", "| decode 640×640, maps of | people | ms |", "|---|---|---|"]
    codec = our_codec(512)
    for name, maps in hard_maps(640):
        people = len(codec.batch_decode(*maps)[0][0])
        milliseconds = 1e3 * median_time(codec, maps, max(3, repeats // 4))
        lines.append(f"| {name} | {people} | {milliseconds:.0f} |")
    return lines


def multi_scale_memory(size: int) -> float:
    """MiB that a multi-scale test (0.5, 1, 2) of a square image takes beyond the model."""
    command = [sys.executable, "-c", _MEMORY_SCRIPT, str(size)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(output.splitlines()[-1]) / 1024


def draw_scaling(
    people: dict[int, float], sizes: dict[int, float], memory: dict[int, float], path: Path
) -> None:
    """Three plots side by side."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
    megapixels = [size**2 / 1e6 for size in sizes]
    memory_megapixels = [size**2 / 1e6 for size in memory]
    for axis, x, y, x_label, y_label in (
        (axes[0], list(people), people, "people, at 640×640", "decoding, ms"),
        (axes[1], megapixels, sizes, "megapixels, 10 people", "decoding, ms"),
        (axes[2], memory_megapixels, memory, "megapixels at scale 1", "multi-scale test, MiB"),
    ):
        axis.plot(x, list(y.values()), marker="o")
        axis.set(xlabel=x_label, ylabel=y_label, xlim=(0, None), ylim=(0, None))
    figure.savefig(path, dpi=110)


def profile(device: str) -> list[str]:
    """What takes the time in decoding 10 people, ours and stock's."""
    row = list(decode_rows(device))[1]
    lines = []
    for name, run in (("ours", row.ours), (row.other_name, row.other)):
        run()
        profiler = cProfile.Profile()
        profiler.runcall(run)
        stats = pstats.Stats(profiler)
        total = stats.total_tt  # type: ignore[attr-defined]
        lines += ["", f"| {row.name}, {name}: function | share of the time |", "|---|---|"]
        functions = sorted(stats.stats.items(), key=lambda item: -item[1][2])  # type: ignore[attr-defined]
        for (file, _, function), (_, _, own, _, _) in functions[:6]:
            where = f"{Path(file).stem}." if file != "~" else ""
            lines.append(f"| `{where}{function}` | {own / total:.0%} |")
    return lines


def median_time(codec: Any, maps: Any, repeats: int) -> float:
    """Median seconds of decoding."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        codec.batch_decode(*maps)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def header(device: str) -> list[str]:
    """Versions, hardware and date."""
    name = torch.cuda.get_device_name() if device != "cpu" else f"{platform.machine()} CPU"
    return [
        f"{datetime.date.today()}, {name}, {torch.get_num_threads()} CPU threads, Python "
        f"{platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, "
        f"mmpose {mmpose.__version__}, swahr_mmpose {swahr_mmpose.__version__}",
        "",
        "| what | ours, ms | other, ms | other / ours | other |",
        "|---|---|---|---|---|",
    ]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(EXTRAS)} and {', '.join(ROWS)}")
    parser.add_argument(
        "--device", default="cpu", choices=["cpu", "cuda"], help="where to run (default: cpu)"
    )
    parser.add_argument(
        "--repeats", type=int, default=15, help="how often each is timed (default: 15)"
    )
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    parser.add_argument("--plot", type=Path, help="where to draw the scaling")
    args = parser.parse_args(argv)
    unknown = set(args.rows) - {*ROWS, *EXTRAS}
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device here")
    return args


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(argv)
    init_default_scope("mmpose")
    torch.manual_seed(0)
    chosen = args.rows or [*ROWS, *EXTRAS]
    lines, notes = header(args.device), []
    for name in chosen:
        for row in ROWS[name](args.device) if name in ROWS else ():
            ours, other = measure(row, args.repeats, args.device)
            lines.append(
                f"| {row.name} | {1e3 * ours:.2f} | {1e3 * other:.2f} | {ratio(ours, other)}× | "
                f"{row.other_name} |"
            )
            print(lines[-1], flush=True)
            for note in notes_of(row, ours, other):
                notes += ["", note]
                print(note, flush=True)
    lines += notes
    if "targets" in chosen:
        small, large = target_bytes()
        lines += ["", f"Bytes of one image's targets: {small:,} instead of {large:,}."]
    if "scaling" in chosen:
        lines += scaling(args.repeats, args.plot)
    if "hard" in chosen:
        lines += hard(args.repeats)
    if "profile" in chosen:
        lines += profile(args.device)
    if args.device == "cpu":
        lines += ["", "GPU: not measured, there was none."]
    text = "\n".join(lines) + "\n"
    print("\n" + text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
