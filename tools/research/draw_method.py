"""Draw how SAHR and WAHR change targets, weights and gradients around one keypoint.

Writes method_targets.png, method_gradients.png and method_weight.png, the images of
docs/method.md. All curves come from the functions that training uses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from swahr_mmpose.codecs.targets import render_heatmaps, support_radius
from swahr_mmpose.decoding.widths import relative_widths
from swahr_mmpose.models.losses.weight_adaptive_loss import (
    pixel_weight,
    scale_adaptive_target,
    soft_foreground,
    weight_adaptive_loss,
)

#: Base width in map pixels, side of the map, and the keypoint's pixel in x and y.
SIGMA, SIDE, CENTER = 2.0, 33, 16

#: What the images compare: widths on the left and right of the base width, and hardnesses.
SCALES = (-0.5, 0.0, 0.5, 1.5)
GAMMAS = (1.0, 0.1, 0.01)

#: Okabe and Ito's colours, which those who are blind to some colours tell apart.
COLORS = ("#0072B2", "#000000", "#E69F00", "#D55E00")

#: x of each pixel, from the keypoint.
OFFSETS = np.arange(SIDE) - CENTER


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/images"), help="folder (default: docs/images)"
    )
    return parser.parse_args(argv)


def target() -> Tensor:
    """The target of one keypoint, (1, 1, SIDE, SIDE)."""
    centers = torch.full((1, 1, 1, 2), CENTER)
    return render_heatmaps(centers, (SIDE, SIDE), SIGMA)


def prediction(height: float, sigma: float, shift: float, clutter: float = 0.0) -> Tensor:
    """A predicted map: a peak beside the keypoint, and a lower one where nobody is."""
    offset = torch.arange(SIDE, dtype=torch.float32) - CENTER

    def peak(x: float) -> Tensor:
        squared = (offset - x) ** 2 + offset[:, None] ** 2
        return torch.exp(squared / (-2 * sigma**2))

    return (height * peak(shift) + clutter * peak(-11.0))[None, None]


def gradients(pred: Tensor, alpha: float, gamma: float | None) -> tuple[Tensor, Tensor]:
    """Gradient of the summed loss at each pixel: for the prediction, and for α."""
    pred = pred.clone().requires_grad_()
    scales = torch.full_like(pred, alpha).requires_grad_()
    loss = weight_adaptive_loss(pred, target(), scales, gamma=gamma) * pred.numel()
    by_pred, by_scale = torch.autograd.grad(loss, (pred, scales))
    return by_pred[0, 0], by_scale[0, 0]


def profile(maps: Tensor) -> np.ndarray:
    """The row through the keypoint, of (1, 1, SIDE, SIDE) or (SIDE, SIDE)."""
    return maps.reshape(SIDE, SIDE)[CENTER].detach().numpy()


def _axes(axes: Axes, title: str, limit: int = 12) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("pixels from the keypoint", fontsize=9)
    axes.set_xlim(-limit, limit)
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _name(alpha: float) -> str:
    width = SIGMA * float(relative_widths(np.array(alpha)))
    return f"α = {alpha:g}, width {width:.1f}".replace("-", "−")


def draw_targets() -> Figure:
    """Targets for several α, as maps and as profiles, the exact power dashed."""
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, len(SCALES), height_ratios=(1, 1.35))
    curves = figure.add_subplot(grid[1, :])
    radius = support_radius(SIGMA)
    inside = slice(CENTER - radius - 3, CENTER + radius + 4)
    for column, (alpha, color) in enumerate(zip(SCALES, COLORS)):
        adapted = scale_adaptive_target(target(), torch.full((1, 1, SIDE, SIDE), alpha))
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(adapted[0, 0, inside, inside], cmap="viridis", vmin=0, vmax=1)
        axes.set_title(_name(alpha), fontsize=10)
        axes.set_axis_off()
        curves.plot(OFFSETS, profile(adapted), color=color, label=_name(alpha), marker=".")
        curves.plot(OFFSETS, profile(target() ** (1 + alpha)), color=color, linestyle=":")
    _axes(curves, "The same targets along the row through the keypoint; dotted: exact powers", 9)
    curves.legend(fontsize=8, frameon=False)
    return figure


def draw_gradients() -> Figure:
    """What the width changes for the prediction, and what the loss wants of the width."""
    figure = Figure(figsize=(9, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    pred = prediction(height=0.7, sigma=2.6, shift=1.0)
    _axes(left, "Prediction and targets", 9)
    _axes(middle, "Gradient for the prediction", 9)
    left.plot(OFFSETS, profile(pred), color="#009E73", linewidth=2, label="prediction")
    for alpha, color in zip(SCALES[:3], COLORS):
        adapted = scale_adaptive_target(target(), torch.full_like(pred, alpha))
        left.plot(OFFSETS, profile(adapted), color=color, label=_name(alpha))
        middle.plot(OFFSETS, profile(gradients(pred, alpha, None)[0]), color=color)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    wish = -gradients(pred, 0.0, None)[1]
    largest = float(wish.abs().max())
    inside = slice(CENTER - 9, CENTER + 10)
    image = right.imshow(
        wish[inside, inside],
        cmap="PuOr_r",
        vmin=-largest,
        vmax=largest,
        extent=(-9.5, 9.5, 9.5, -9.5),
    )
    right.set_title("Pull on α at α = 0", fontsize=10)
    right.set_xlabel("pixels from the keypoint", fontsize=9)
    right.tick_params(labelsize=8)
    bar = figure.colorbar(image, ax=right, ticks=(-largest, 0, largest))
    bar.ax.set_yticklabels(("wider", "0", "narrower"), fontsize=8)
    return figure


def draw_weight() -> Figure:
    """Soft foreground, weight and gradient for several γ."""
    figure = Figure(figsize=(9, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    pred = prediction(height=0.6, sigma=2.0, shift=0.0, clutter=0.2)
    _axes(left, "Soft foreground $G^γ$", 16)
    _axes(middle, "Weight W", 16)
    _axes(right, "Gradient for the prediction", 16)
    middle.plot(OFFSETS, profile(pred), color="0.6", linestyle=":", label="prediction")
    middle.axhline(1, color="#009E73", linestyle="--")
    for gamma, color in zip(GAMMAS, COLORS):
        foreground = soft_foreground(target(), gamma, None)
        left.plot(OFFSETS, profile(foreground), color=color, label=f"γ = {gamma:g}")
        middle.plot(OFFSETS, profile(pixel_weight(pred, foreground)), color=color)
        right.plot(OFFSETS, profile(gradients(pred, 0.0, gamma)[0]), color=color)
    unweighted = profile(gradients(pred, 0.0, None)[0])
    right.plot(OFFSETS, unweighted, color="#009E73", linestyle="--", label="no weight")
    figure.legend(loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def main(argv: list[str] | None = None) -> int:
    """Draw the three images."""
    args = parse_args(argv)
    drawn: dict[str, Callable[[], Figure]] = {
        "method_targets": draw_targets,
        "method_gradients": draw_gradients,
        "method_weight": draw_weight,
    }
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        for name, draw in tqdm(drawn.items(), desc="drawing", unit="image", disable=None):
            figure = draw()
            FigureCanvasAgg(figure)
            figure.savefig(args.out / f"{name}.png", dpi=110)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Wrote {', '.join(f'{name}.png' for name in drawn)} to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
