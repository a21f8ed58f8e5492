"""Tables and plots of the ablation, from the records that its runs left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Dict

import matplotlib.pyplot as plt
import numpy as np
from ablation_measures import alpha_under_noise
from ablation_variants import MAIN_VARIANTS, VARIANTS
from matplotlib.figure import Figure
from scipy import stats

from swahr_mmpose.synthetic.annotations import COCO_SIGMAS
from swahr_mmpose.synthetic.body import KEYPOINTS

Record = Dict[str, Any]

_BASELINE = "higherhrnet"
_LABELS = {
    "higherhrnet": "HigherHRNet",
    "sahr": "+ SAHR",
    "wahr": "+ WAHR",
    "swahr": "+ SWAHR",
    "swahr_learned": "+ SWAHR, learned weight",
    "higherhrnet_light": "HigherHRNet, heatmap loss × 0.6",
    "sahr_free": "+ SAHR, regulariser × 0.1",
    "swahr_free": "+ SWAHR, regulariser × 0.1",
    "swahr_gamma": "+ SWAHR, γ = 0.1",
    "swahr_wide": "+ SWAHR, σ₀ = 3",
    "swahr_detached": "+ SWAHR, weight detached",
}
#: Alike in all plots; lighter where a variant is another one with less of a loss.
_COLORS = {
    "higherhrnet": "tab:blue",
    "sahr": "tab:orange",
    "wahr": "tab:green",
    "swahr": "tab:red",
    "swahr_learned": "tab:purple",
    "higherhrnet_light": "#aec7e8",
    "sahr_free": "#ffbb78",
    "swahr_free": "#ff9896",
    "swahr_gamma": "tab:brown",
    "swahr_wide": "tab:cyan",
    "swahr_detached": "black",
}
#: Where the names of keypoints are written that have others close to them: points to the right and
#: up. Those to the left end there.
_BESIDE = {"eye": (-6, 7), "nose": (-6, -7), "elbow": (-6, 0), "wrist": (-6, 0)}
_BESIDE.update({"knee": (6, 5), "ankle": (6, -5)})
_METRICS = {
    "coco/AP": "AP",
    "coco/AP .5": "AP50",
    "coco/AP .75": "AP75",
    "coco/AP (M)": "AP medium",
    "coco/AP (L)": "AP large",
}
_CONFIDENCE = 0.95


def write_report(records: Path, page: Path) -> None:
    """Fill in the page's parts between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.

    The parts are named after the folders of records. Plots go to ``images`` beside the page.

    Raises:
        ValueError: If there are no records, or the page has no part for some of them.
    """
    folders = sorted(path for path in records.iterdir() if path.is_dir())
    if not folders:
        raise ValueError(f"There are no records in {records}: make some with `run`.")
    text = fill_in(page.read_text(), "alpha_under_noise", _noise_table())
    for folder in folders:
        runs = load_records(folder)
        content = tables(runs)
        if len(runs) > 1:
            plot = page.parent / "images" / f"ablation_{folder.name}.png"
            plot_runs(runs, plot)
            content += f"\n\n![Differences, loss shares, widths](images/{plot.name})"
        text = fill_in(text, folder.name, content)
    page.write_text(text)


def fill_in(text: str, name: str, content: str) -> str:
    """The text with the part of that name replaced."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"The page has no part {begin.strip()} … {end.strip()}: add the two.")
    return pattern.sub(lambda _: f"{begin}{content}\n{end}", text)


def load_records(folder: Path) -> dict[str, dict[int, Record]]:
    """Records by variant and seed, variants in their usual order.

    Raises:
        ValueError: If their settings differ.
    """
    runs: dict[str, dict[int, Record]] = {}
    settings = None
    for path in sorted(folder.glob("*.json"), key=lambda p: _order(p.stem)):
        record = json.loads(path.read_text())
        settings = settings or record["settings"]
        if record["settings"] != settings:
            raise ValueError(
                f"{path} was made with other settings than the records beside it: "
                f"{record['settings']}, not {settings}. Move it to a folder of its own."
            )
        runs.setdefault(record["variant"], {})[record["seed"]] = record
    return runs


def _order(name: str) -> tuple[int, str]:
    return list(VARIANTS).index(name.rsplit("_seed", 1)[0]), name


# -------------------------------------------------------------------- numbers


def mean_and_spread(values: Iterable[float]) -> tuple[float, float]:
    """Mean and sample standard deviation, NaN for a single value."""
    array = np.array(list(values))
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else float("nan")


def confidence_interval(differences: Iterable[float]) -> tuple[float, float]:
    """Student's interval of the mean of paired differences, at 95 %; NaN for fewer than two."""
    array = np.array(list(differences))
    if len(array) < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf((1 + _CONFIDENCE) / 2, len(array) - 1) * stats.sem(array)
    return float(array.mean() - half), float(array.mean() + half)


def differences(runs: dict[str, dict[int, Record]], variant: str, metric: str) -> list[float]:
    """Differences to the baseline at equal seeds."""
    baseline = runs.get(_BASELINE, {})
    return [
        record["metrics"][metric] - baseline[seed]["metrics"][metric]
        for seed, record in sorted(runs[variant].items())
        if seed in baseline
    ]


# --------------------------------------------------------------------- tables


def tables(runs: dict[str, dict[int, Record]]) -> str:
    """Settings, results, differences, and what the branches learned, as Markdown."""
    parts = [_settings(runs), _results(runs), _differences(runs), _widths(runs), _shares(runs)]
    return "\n\n".join(part for part in parts if part)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(header: list[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join([_row(header), _row(["---"] * len(header)), *map(_row, rows)])


def _settings(runs: dict[str, dict[int, Record]]) -> str:
    records = [record for by_seed in runs.values() for record in by_seed.values()]
    settings = ", ".join(f"{key} {value}" for key, value in records[0]["settings"].items())
    dates = sorted({record["versions"]["date"] for record in records})
    versions = {
        ", ".join(f"{key} {value}" for key, value in record["versions"].items() if key != "date")
        for record in records
    }
    return f"{settings}; {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}; " + "; ".join(
        sorted(versions)
    )


def _results(runs: dict[str, dict[int, Record]]) -> str:
    rows = []
    for variant, by_seed in runs.items():
        cells = [_LABELS[variant], str(len(by_seed))]
        for metric in _METRICS:
            mean, spread = mean_and_spread(r["metrics"][metric] for r in by_seed.values())
            cells.append(f"{100 * mean:.1f}" + (f" ± {100 * spread:.1f}" if spread >= 0 else ""))
        rows.append(cells)
    return _table(["mean ± standard deviation", "seeds", *_METRICS.values()], rows)


def _differences(runs: dict[str, dict[int, Record]]) -> str:
    rows = []
    for variant in runs:
        if variant == _BASELINE or not differences(runs, variant, "coco/AP"):
            continue
        cells = [_LABELS[variant]]
        for metric in _METRICS:
            paired = differences(runs, variant, metric)
            low, high = confidence_interval(paired)
            interval = f" [{100 * low:+.1f}, {100 * high:+.1f}]" if low <= high else ""
            cells.append(f"{100 * np.mean(paired):+.1f}{interval}")
        rows.append(cells)
    return _table(["difference to HigherHRNet", *_METRICS.values()], rows) if rows else ""


def _widths(runs: dict[str, dict[int, Record]]) -> str:
    rows = []
    for variant, by_seed in runs.items():
        widths = [record["widths"] for record in by_seed.values() if "widths" in record]
        if not widths:
            continue
        types = noise_rank_correlation(widths)
        by_size, _ = mean_and_spread(width["size_rank_correlation"] for width in widths)
        rows.append(
            [
                _LABELS[variant],
                f"{by_size:.2f}",
                f"{max(width['size_p_value'] for width in widths):.0e}",
                f"{types.statistic:.2f}",
                f"{types.pvalue:.2g}",
                *(
                    f"{np.mean([width[name] for width in widths]):.{digits}f}"
                    for name, digits in (
                        ("alpha", 3),
                        ("wanted_alpha", 3),
                        ("wanted_rank_correlation", 2),
                    )
                ),
            ]
        )
    header = [
        "rank correlation of predicted width",
        "with person size",
        "p, largest of the seeds",
        "with the noise of the keypoint's type",
        "p",
        "mean α",
        "mean α wanted by the loss",
        "rank correlation of the two",
    ]
    return _table(header, rows) if rows else ""


def noise_rank_correlation(widths: list[dict[str, Any]]) -> Any:
    """Spearman's, over the 17 keypoint types, of COCO's deviation and relative width."""
    relative = np.mean([width["keypoint_types"] for width in widths], axis=0)
    return stats.spearmanr(COCO_SIGMAS, relative)


def _noise_table() -> str:
    """What the loss wants of α, by the noise of the labels and the regulariser's weight."""
    rows = []
    for deviation in (0.5, 1.0, 2.0, 3.0):
        cells = [f"{deviation}"]
        for regulariser in (1.0, 0.1):
            cells += [f"{a:+.3f}" for a in alpha_under_noise(deviation, regulariser=regulariser)]
        rows.append(cells)
    header = ["deviation of labels, map pixels", "α at the place, λ = 1", "one α, λ = 1"]
    return _table([*header, "α at the place, λ = 0.1", "one α, λ = 0.1"], rows)


def _shares(runs: dict[str, dict[int, Record]]) -> str:
    rows = []
    for variant, by_seed in runs.items():
        _steps, shares = _mean_curve(by_seed, "foreground_share_s2")
        thirds = [part.mean() for part in np.array_split(shares, 3)]
        rows.append([_LABELS[variant], *(f"{100 * part:.0f} %" for part in thirds)])
    header = ["part of the stride-2 heatmap loss at pixels of people", "first third", "second"]
    return _table([*header, "last"], rows)


def _mean_curve(by_seed: dict[int, Record], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and a logged curve's mean over the seeds."""
    curves = [record["curves"] for record in by_seed.values()]
    return np.array(curves[0]["step"]), np.mean([curve[name] for curve in curves], axis=0)


# ---------------------------------------------------------------------- plots


def plot_runs(runs: dict[str, dict[int, Record]], path: Path) -> None:
    """Draw :func:`figure_of` into a file."""
    figure = figure_of(runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def figure_of(runs: dict[str, dict[int, Record]]) -> Figure:
    """Differences in AP, loss shares, and the widths that SWAHR predicts by size and by type."""
    widths = [r["widths"] for r in runs.get("swahr", {}).values() if "widths" in r]
    rows = 2 if widths else 1
    figure, axes = plt.subplots(
        rows, 2, figsize=(11, 1 + 4 * rows), layout="constrained", squeeze=False
    )
    _plot_differences(axes[0, 0], runs)
    _plot_shares(axes[0, 1], runs)
    if widths:
        _plot_sizes(axes[1, 0], widths)
        _plot_types(axes[1, 1], widths)
    # beside the plots, as it would hide curves in them
    handles, names = axes[0, 1].get_legend_handles_labels()
    columns = len(names) if len(names) <= 5 else 4
    figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False)
    return figure


def _plot_differences(axes: Any, runs: dict[str, dict[int, Record]]) -> None:
    variants = [v for v in runs if v != _BASELINE and differences(runs, v, "coco/AP")]
    most = 0
    for place, variant in enumerate(variants):
        paired = 100 * np.array(differences(runs, variant, "coco/AP"))
        most = max(most, len(paired))
        axes.plot(paired, [place] * len(paired), "o", color=_COLORS[variant], zorder=3)
        if len(paired) > 1:
            axes.plot(100 * np.array(confidence_interval(paired / 100)), [place] * 2, color="black")
            axes.plot(paired.mean(), place, "|", markersize=18, color="black")
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(variants)), [_LABELS[v] for v in variants])
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.margins(x=0.1)
    meaning = "dots: seeds; lines: mean and 95 % interval" if most > 1 else "one seed"
    axes.set_xlabel(f"AP × 100 less HigherHRNet's\n({meaning})")
    axes.set_title("Difference in AP")


def _plot_shares(axes: Any, runs: dict[str, dict[int, Record]]) -> None:
    for variant, by_seed in runs.items():
        steps, shares = _mean_curve(by_seed, "foreground_share_s2")
        style = "-" if variant in MAIN_VARIANTS else "--"
        axes.plot(steps, shares, style, color=_COLORS[variant], label=_LABELS[variant])
    axes.set_ylim(0, 1)
    axes.set_xlabel("iteration")
    axes.set_ylabel("part of the loss")
    axes.set_title("Stride-2 heatmap loss at pixels of people")


def _plot_sizes(axes: Any, widths: list[dict[str, Any]]) -> None:
    for width in widths:
        axes.plot(*np.array(width["people"]).T, ".", markersize=3, alpha=0.4)
    axes.set_xscale("log", subs=[2, 5])
    for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        which("{x:.0f}")
    seeds = "; a colour for each seed" if len(widths) > 1 else ""
    axes.set_xlabel(f"√area of the person (input pixels{seeds})")
    axes.set_ylabel("mean predicted width (input pixels)")
    axes.set_title("SWAHR: width by size of the person")


def _plot_types(axes: Any, widths: list[dict[str, Any]]) -> None:
    relative = np.array([width["keypoint_types"] for width in widths])
    spread = relative.std(axis=0, ddof=1) if len(widths) > 1 else None
    axes.errorbar(COCO_SIGMAS, relative.mean(axis=0), spread, fmt="o", markersize=4)
    for name, x, y in zip(KEYPOINTS, COCO_SIGMAS, relative.mean(axis=0)):
        if not name.startswith("right"):
            label = name.replace("left_", "")
            offset = _BESIDE.get(label, (6, 0))
            side = "left" if offset[0] > 0 else "right"
            axes.annotate(label, (x, y), offset, textcoords="offset points", ha=side, va="center")
    axes.margins(x=0.15)
    axes.set_xlabel("COCO's deviation of the keypoint's type")
    seeds = "\n(mean and standard deviation of the seeds)" if len(widths) > 1 else ""
    axes.set_ylabel(f"width relative to the person's mean{seeds}")
    axes.set_title("SWAHR: width by type of keypoint")
