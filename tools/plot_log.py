"""Plot what trainings logged, several in one figure: losses, learning rate, AP.

Reads MMEngine's WORK_DIR/*/vis_data/scalars.json; parts of a resumed training are put together.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from tqdm import tqdm

from swahr_mmpose.visualization.people_drawing import PERSON_COLORS

#: Panels in a row of the figure, and their size in inches.
_COLUMNS, _PANEL_SIZE = 3, (4.6, 3.0)

#: From this factor between a curve's largest and its least value on, the axis is logarithmic.
_LARGE_RANGE = 20

#: What of the log is no curve: numbers of the line itself, and what the machine was doing.
_NO_CURVES = {"step", "iter", "epoch", "time", "data_time", "memory", "base_lr"}


@dataclass
class Curves:
    """What one training logged.

    Attributes:
        training: By name, value by iteration.
        validation: Likewise; for each validation.
    """

    training: dict[str, dict[int, float]] = field(default_factory=dict)
    validation: dict[str, dict[int, float]] = field(default_factory=dict)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work_dirs", nargs="+", metavar="WORK_DIR", help="folders of trainings")
    parser.add_argument(
        "--out", type=Path, default=Path("log.png"), help="the plot (default: log.png)"
    )
    return parser.parse_args(argv)


def read_curves(work_dir: str) -> Curves:
    """All that a training logged, over the parts of a resumed one; what came last counts.

    Raises:
        FileNotFoundError: If there is no folder, or no log in it.
        ValueError: If a log can't be read, or is not of a training.
    """
    folder = Path(work_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder '{work_dir}'.")
    logs = sorted(folder.glob("*/vis_data/scalars.json"))
    if not logs:
        raise FileNotFoundError(
            f"There is no log in '{work_dir}' (*/vis_data/scalars.json). Name the `--work-dir` of "
            "a training that had `LocalVisBackend` among its `vis_backends`."
        )
    curves = Curves()
    for log in logs:
        _add(curves, _lines(log))
    if "loss" not in curves.training:
        raise ValueError(f"The logs in '{work_dir}' are of tests only: there is no loss in them.")
    return curves


def _lines(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        try:
            content = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):  # a killed training was writing it
                break
            raise ValueError(f"Line {number} of '{log}' can't be read: {error}.") from error
        if not isinstance(content, dict) or not isinstance(content.get("step", 0), int):
            raise ValueError(
                f"Line {number} of '{log}' is {line[:80]}, which MMEngine does not write: it must "
                "be an object, and its `step` a whole number. Take the line out."
            )
        found.append(content)
    return found


def _add(curves: Curves, lines: list[dict[str, Any]]) -> None:
    iteration = 0
    for line in lines:
        trains = "loss" in line
        step = line.get("step", 0)
        # MMEngine counts validations in epochs, unless told otherwise
        iteration = step if trains else max(step, iteration)
        group = curves.training if trains else curves.validation
        for name, value in line.items():
            if name not in _NO_CURVES and isinstance(value, (int, float)):
                group.setdefault(name, {})[iteration] = float(value)


def panel_names(runs: dict[str, Curves]) -> list[str]:
    """The curves that are plotted: training in the order of the log, then AP."""
    training = {name: None for curves in runs.values() for name in curves.training}
    validation = {name: None for curves in runs.values() for name in curves.validation}
    first = [name for name in training if name == "loss"]
    last = [name for name in training if name == "lr"]
    between = [name for name in training if name not in ("loss", "lr")]
    return first + between + last + [name for name in validation if name.endswith("/AP")]


def known_of(curves: Curves, name: str) -> dict[int, float]:
    """Value by iteration."""
    return curves.validation.get(name) or curves.training.get(name) or {}


def logarithmic(runs: dict[str, Curves], names: list[str]) -> set[str]:
    """The names of panels with a logarithmic axis: all losses or none, as they are compared."""
    values = {
        name: [v for own in runs.values() for v in known_of(own, name).values() if np.isfinite(v)]
        for name in names
    }
    wide = {
        name
        for name, own in values.items()
        if own and min(own) > 0 and max(own) > _LARGE_RANGE * min(own) and name != "lr"
    }
    losses = {name for name in names if name.startswith("loss")}
    positive = all(min(values[name], default=1) > 0 for name in losses)
    return wide - losses | (losses if wide & losses and positive else set())


def figure_of(runs: dict[str, Curves]) -> Figure:
    """One panel for each quantity, one colour for each run."""
    names = panel_names(runs)
    wide = logarithmic(runs, names)
    rows = -(-len(names) // _COLUMNS)
    legend = 0.25 * len(runs) + 0.2
    size = (_PANEL_SIZE[0] * _COLUMNS, _PANEL_SIZE[1] * rows + legend)
    figure = Figure(figsize=size)
    lines: dict[str, Any] = {}
    first: Any = None
    for number, name in enumerate(names, 1):
        # a panel of one value has the others' iterations
        axes = figure.add_subplot(rows, _COLUMNS, number, sharex=first)
        axes.set(title=name, xlabel="iteration")
        first = first or axes
        for index, (run, curves) in enumerate(runs.items()):
            known = known_of(curves, name)
            if known:
                (lines[run],) = _draw_curve(axes, known, index, name in curves.validation)
        if name in wide:
            axes.set(yscale="log", ylabel="logarithmic")
        if name.endswith("/AP"):
            axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.grid(alpha=0.3)
    ordered = [run for run in runs if run in lines]
    figure.legend([lines[run] for run in ordered], ordered, loc="upper left", frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - legend / size[1]))
    return figure


def _draw_curve(axes: Any, known: dict[int, float], index: int, validates: bool) -> Any:
    """One run's curve, in the run's colour."""
    iterations = sorted(known)
    color = [channel / 255 for channel in PERSON_COLORS[index % 7][::-1]]
    # more runs than colours differ in their dashes
    style = ("-", "--", ":", "-.")[index // 7 % 4]
    marker = "o" if validates or len(iterations) < 3 else None
    values = [known[iteration] for iteration in iterations]
    return axes.plot(iterations, values, style, color=color, marker=marker, markersize=4)


def main(argv: list[str] | None = None) -> int:
    """Plot."""
    args = parse_args(argv)
    try:
        with tqdm(dict.fromkeys(args.work_dirs), unit="run") as bar:
            runs = {work_dir: read_curves(work_dir) for work_dir in bar}
        figure = figure_of(runs)
        FigureCanvasAgg(figure)
        figure.savefig(args.out, dpi=110)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
