"""Measures of what a trained scale branch predicts, on held-out images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from swahr_mmpose.decoding import keypoint_widths
from swahr_mmpose.layout import STRIDES
from swahr_mmpose.models.losses.weight_adaptive_loss import pixel_weight


@torch.no_grad()
def measure_widths(model: Any, loader: Any) -> dict[str, Any]:
    """What the scale branch predicts at the true places of keypoints, at stride 2.

    Returns:
        ``people``: [√area, mean width] of each person with 5 labelled keypoints or more, both in
        input pixels; ``size_rank_correlation`` and ``size_p_value`` between the two (Spearman);
        ``keypoint_types``: (K,) mean over people of a keypoint's width relative to the
        person's mean; ``alpha`` and ``wanted_alpha``, means over keypoints, and
        ``wanted_rank_correlation`` between the two, of :func:`alpha_and_wanted`.
    """
    model.eval()
    head = model.head
    people, relative, alphas = [], [], []
    for batch in loader:
        data = model.data_preprocessor(batch)
        inputs, (sample,) = data["inputs"], data["data_samples"]
        output = head.forward(model.extract_feat(inputs))
        scales = output.scales[-1][0].detach().float().cpu().numpy()
        heatmaps = output.heatmaps[-1][0]
        for places, labelled, size in labelled_people(sample.metainfo):
            (widths,) = keypoint_widths(
                places[None], scales, tuple(inputs.shape[2:]), head.decoder.sigma
            )
            widths[~labelled] = np.nan
            mean = np.nanmean(widths)
            people.append([size, mean])
            relative.append(widths / mean)
            alphas += [
                alpha_and_wanted(
                    scales[k],
                    heatmaps[k].float().cpu().numpy(),
                    (places[k] / STRIDES[-1]).astype(int),
                    head,
                )
                for k in np.flatnonzero(labelled)
            ]
    by_size = spearmanr(*np.array(people).T)
    alpha, wanted = np.array([pair for pair in alphas if pair]).T
    return dict(
        people=np.round(people, 4).tolist(),
        size_rank_correlation=float(by_size.statistic),
        size_p_value=float(by_size.pvalue),
        keypoint_types=np.round(np.nanmean(relative, axis=0), 5).tolist(),
        alpha=float(alpha.mean()),
        wanted_alpha=float(wanted.mean()),
        wanted_rank_correlation=float(spearmanr(alpha, wanted).statistic),
    )


def labelled_people(meta: dict[str, Any]) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Keypoints (K, 2) in input pixels, which are labelled, and √area of a sample's people."""
    to_input = np.array(meta["input_size"]) / meta["input_scale"]
    corner = meta["input_center"] - meta["input_scale"] / 2
    for annotation in meta["raw_ann_info"]:
        labels = np.array(annotation["keypoints"], dtype=float).reshape(-1, 3)
        labelled = labels[:, 2] > 0
        if not annotation.get("iscrowd") and labelled.sum() >= 5:
            size = float(np.sqrt(annotation["area"] * to_input.prod()))
            yield (labels[:, :2] - corner) * to_input, labelled, size


def alpha_and_wanted(
    scales: np.ndarray, heatmap: np.ndarray, center: np.ndarray, head: Any
) -> tuple[float, float] | None:
    r"""Mean α around a keypoint, and the single α there at which the loss would be lowest.

    To first order in α, over the n pixels of the keypoint's Gaussian G, with predicted values P,
    pixel weights W and regulariser weight λ:

    .. math:: \alpha^* = \frac{\sum W (P - G)\, G \ln G}{\sum W (G \ln G)^2 + \lambda n}

    Args:
        scales: (H, W), α of the keypoint's type.
        heatmap: (H, W), P of the keypoint's type.
        center: (2,), x and y in map pixels.
        head: The head, for its losses and base width.

    Returns:
        None where the keypoint lies at the border.
    """
    (x, y), sigma = center, head.decoder.sigma
    radius = int(3 * sigma + 1)
    window = slice(y - radius, y + radius + 1), slice(x - radius, x + radius + 1)
    alpha, pred = scales[window], heatmap[window]
    if min(x, y) < radius or alpha.shape != (2 * radius + 1, 2 * radius + 1):
        return None
    offsets = np.arange(-radius, radius + 1) ** 2
    target = np.exp(-(offsets[:, None] + offsets) / (2 * sigma**2))
    slope = target * np.log(target)
    gamma = head.heatmap_loss.gamma
    weight = 1.0
    if gamma is not None:
        weight = pixel_weight(*map(torch.from_numpy, (pred, target**gamma))).numpy()
    regulariser = head.scale_loss.loss_weight * target.size
    wanted = (weight * (pred - target) * slope).sum() / ((weight * slope**2).sum() + regulariser)
    return float(alpha.mean()), float(wanted)


def alpha_under_noise(
    deviation: float, sigma: float = 2.0, regulariser: float = 1.0, samples: int = 400
) -> tuple[float, float]:
    r"""What the loss of SAHR wants of α where labels are off by normal noise, to first order.

    For a network that predicts the mean of the noisy targets, the best that it can do by the
    squared error; by simulation.

    Args:
        deviation: Standard deviation of the labels on each axis, in map pixels.
        sigma: Base width in map pixels.
        regulariser: Weight λ of the regulariser.
        samples: Number of noisy labels.

    Returns:
        α at the true place, and the one α that is best for the whole Gaussian.
    """
    noise = np.random.default_rng(0).normal(0, deviation, (samples, 2, 1, 1))
    reach = int(3 * sigma + 1)
    y, x = np.mgrid[-2 * reach : 2 * reach + 1, -2 * reach : 2 * reach + 1]
    squared = (x - noise[:, 0]) ** 2 + (y - noise[:, 1]) ** 2
    inside = np.maximum(abs(x - noise[:, 0]), abs(y - noise[:, 1])) <= reach
    exponent = -squared / (2 * sigma**2)
    target = np.where(inside, np.exp(exponent), 0)
    slope = target * exponent
    gain = ((target.mean(axis=0) - target) * slope).mean(axis=0)
    cost = (slope**2 + regulariser * inside).mean(axis=0)
    center = 2 * reach
    return float(gain[center, center] / cost[center, center]), float(gain.sum() / cost.sum())
