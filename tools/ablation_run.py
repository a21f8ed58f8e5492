"""One run of the ablation: a variant, trained from random weights, tested and looked into."""

from __future__ import annotations

import contextlib
import datetime
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mmpose
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed
from mmpose.registry import MODELS
from scipy.stats import spearmanr
from torch import Tensor

import swahr_mmpose
from swahr_mmpose.models.keypoint_widths import keypoint_widths
from swahr_mmpose.models.losses import WeightAdaptiveLoss
from swahr_mmpose.models.losses.pixel_weight import pixel_weight
from swahr_mmpose.models.losses.weight_adaptive_loss import (
    scale_adaptive_target,
    soft_foreground,
)


@MODELS.register_module()
class DetachedWeightLoss(WeightAdaptiveLoss):
    """The loss of SWAHR with no gradient through the pixel weight; tried in the ablation only."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        scales: Tensor | None = None,
        mask: Tensor | None = None,
        weight_shift: Tensor | None = None,
    ) -> Tensor:
        """As :class:`WeightAdaptiveLoss`, from the formulas as they stand."""
        foreground = soft_foreground(target, self.gamma, weight_shift)
        weight = pixel_weight(pred.float().detach(), foreground)
        fitted = target if scales is None else scale_adaptive_target(target, scales.float())
        return (weight * (pred.float() - fitted) ** 2 * (1 if mask is None else mask)).mean()


_WAHR = dict(type="WeightAdaptiveLoss", gamma=0.01)
_PLAIN = dict(type="WeightAdaptiveLoss", gamma=None)
_WEAK_REGULARISER = dict(type="ScaleRegularizationLoss", loss_weight=0.1)

#: What differs between the variants: the head, laid over the experiment's config. First those of
#: the paper and the learned weight, then such that were tried to find out why results are as they
#: are.
VARIANTS: dict[str, dict[str, Any]] = {
    "higherhrnet": dict(type="HigherHRNetHead", heatmap_loss=_PLAIN),
    "sahr": dict(type="SWAHRHead", heatmap_loss=_PLAIN),
    "wahr": dict(type="HigherHRNetHead", heatmap_loss=_WAHR),
    "swahr": dict(type="SWAHRHead", heatmap_loss=_WAHR),
    "swahr_learned": dict(type="SWAHRHead", heatmap_loss=_WAHR, weight_branch="learned"),
    "higherhrnet_light": dict(type="HigherHRNetHead", heatmap_loss=dict(**_PLAIN, loss_weight=0.6)),
    "sahr_free": dict(type="SWAHRHead", heatmap_loss=_PLAIN, scale_loss=_WEAK_REGULARISER),
    "swahr_free": dict(type="SWAHRHead", heatmap_loss=_WAHR, scale_loss=_WEAK_REGULARISER),
    "swahr_gamma": dict(type="SWAHRHead", heatmap_loss=dict(type="WeightAdaptiveLoss", gamma=0.1)),
    "swahr_wide": dict(type="SWAHRHead", heatmap_loss=_WAHR, decoder=dict(sigma=3.0)),
    "swahr_detached": dict(
        type="SWAHRHead", heatmap_loss=dict(type="DetachedWeightLoss", gamma=0.01)
    ),
}

#: The variants that run unless others are named.
MAIN_VARIANTS = ("higherhrnet", "sahr", "wahr", "swahr", "swahr_learned")

#: How often losses are logged and a stopped run can be taken up again, in iterations.
_LOG_INTERVAL, _CHECKPOINT_INTERVAL = 20, 120


@dataclass(frozen=True)
class Experiment:
    """Data and network that all variants share.

    Attributes:
        config: Name of the config whose head the variants change.
        train: (annotation file, image folder) under the data's folder.
        val: Likewise, the held-out pictures.
        generated: Whether the pictures are drawn; else they are those of ``SWAHR_REAL_DATA``.
        label_noise: Noise on the training labels; see ``SyntheticOptions``.
    """

    config: str
    train: tuple[str, str]
    val: tuple[str, str]
    generated: bool = False
    label_noise: float = 0.0


_GENERATED = dict(
    config="swahr_tiny_synthetic",
    train=("annotations/train.json", "images/train/"),
    val=("annotations/val.json", "images/val/"),
    generated=True,
)
_REAL = dict(
    train=("person_keypoints_train.json", "images/"),
    val=("person_keypoints_val.json", "images/"),
)

EXPERIMENTS: dict[str, Experiment] = {
    "drawn": Experiment(**_GENERATED),
    "drawn_noisy": Experiment(**_GENERATED, label_noise=0.5),
    "real_narrow": Experiment("swahr_tiny_synthetic", **_REAL),
    "real_w32": Experiment("swahr_hrnet_w32_coco", **_REAL),
}


@dataclass(frozen=True)
class Budget:
    """What a run may use; the same for all runs of an experiment.

    Attributes:
        iterations: Training iterations.
        batch_size: Pictures in a batch; the learning rate follows it linearly.
        bf16: Whether the network trains in bfloat16 (losses are float32 all the same).
        train_images: Number of training pictures drawn, for drawn ones.
        val_images: Number of held-out pictures drawn.
    """

    iterations: int
    batch_size: int
    bf16: bool
    train_images: int
    val_images: int


@dataclass(frozen=True)
class Job:
    """One run and where it reads and writes.

    Attributes:
        experiment: A key of :data:`EXPERIMENTS`.
        variant: A key of :data:`VARIANTS`.
        seed: Decides initial weights, order and augmentation; equal seeds are equal in these
            for all variants.
        budget: What it may use.
        data: Folder of the data.
        work_dir: For checkpoints and MMEngine's logs.
        record: The JSON file that it leaves behind.
        threads: Processor threads; 0 leaves it to torch.
        workers: Processes that load data.
    """

    experiment: str
    variant: str
    seed: int
    budget: Budget
    data: Path
    work_dir: Path
    record: Path
    threads: int = 0
    workers: int = 0


def settings_of(experiment: str, budget: Budget) -> dict[str, Any]:
    """All that runs must have in common to be compared."""
    spec = EXPERIMENTS[experiment]
    settings = dict(asdict(budget), config=spec.config, label_noise=spec.label_noise)
    if not spec.generated:
        del settings["train_images"], settings["val_images"]
    return settings


def build_config(job: Job) -> Config:
    """The experiment's config with the variant's head, the budget and the data."""
    experiment, budget = EXPERIMENTS[job.experiment], job.budget
    config = Config.fromfile(swahr_mmpose.config_path(experiment.config))
    config.merge_from_dict(dict(model=dict(head=VARIANTS[job.variant])))
    # weights of ImageNet have to be downloaded: all start from random ones
    config.model.backbone.pop("init_cfg", None)

    train, test = config.train_dataloader, config.test_dataloader
    train.update(batch_size=budget.batch_size, sampler=dict(type="InfiniteSampler", shuffle=True))
    for loader, (ann_file, images) in ((train, experiment.train), (test, experiment.val)):
        loader.update(num_workers=job.workers, persistent_workers=job.workers > 0)
        loader.dataset.update(
            data_root=str(job.data), ann_file=ann_file, data_prefix=dict(img=images)
        )
    config.val_dataloader = config.val_cfg = config.val_evaluator = None

    iterations, warm_up = budget.iterations, budget.iterations // 14
    config.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iterations)
    config.param_scheduler = [
        dict(type="LinearLR", start_factor=0.1, end=warm_up, by_epoch=False),
        dict(
            type="LinearLR",
            start_factor=1.0,
            end_factor=0.0,
            begin=warm_up,
            end=iterations,
            by_epoch=False,
        ),
    ]
    base_batch = config.auto_scale_lr.base_batch_size
    config.optim_wrapper.optimizer.lr *= budget.batch_size / base_batch

    config.default_hooks.logger = dict(type="LoggerHook", interval=_LOG_INTERVAL)
    config.default_hooks.checkpoint = dict(
        type="CheckpointHook", by_epoch=False, interval=_CHECKPOINT_INTERVAL, max_keep_ckpts=1
    )
    config.log_processor = dict(type="LogProcessor", window_size=_LOG_INTERVAL, by_epoch=False)
    config.custom_hooks = [
        dict(type="ChannelsLastHook"),
        dict(type="LossShareHook", interval=_LOG_INTERVAL),
    ]
    config.randomness = dict(seed=job.seed)
    config.work_dir, config.resume = str(job.work_dir), True
    return config


def run_job(job: Job) -> None:
    """Train, test, measure, and write the record; a stopped run goes on at its checkpoint."""
    if job.threads:
        torch.set_num_threads(job.threads)
    config = build_config(job)
    init_default_scope(config.default_scope)
    runner = Runner.from_cfg(config)
    initialize(runner.model, job.seed)
    device = next(runner.model.parameters()).device.type
    precision: Any = contextlib.nullcontext()
    if job.budget.bf16:
        # outside of the loop, cached casts of the weights would outlive their update
        precision = torch.autocast(device, torch.bfloat16, cache_enabled=False)
    with precision:
        runner.train()
    metrics = runner.test()
    record = dict(
        experiment=job.experiment,
        variant=job.variant,
        seed=job.seed,
        settings=settings_of(job.experiment, job.budget),
        versions=versions(device),
        metrics={key: round(float(value), 5) for key, value in metrics.items()},
        curves=read_curves(job.work_dir),
    )
    if hasattr(runner.model.head, "scale_layers"):
        record["widths"] = measure_widths(runner.model, runner.test_dataloader)
    job.record.parent.mkdir(parents=True, exist_ok=True)
    job.record.write_text(json.dumps(record, indent=None, separators=(",", ":")) + "\n")


def initialize(model: Any, seed: int) -> None:
    """Random weights: those that variants have in common are equal at equal seeds.

    The runner would do it too, after building has drawn random numbers for each branch.
    """
    set_random_seed(seed)
    model.init_weights()


def versions(device: str) -> dict[str, str]:
    """What the run was made with."""
    return dict(
        date=datetime.date.today().isoformat(),
        device=torch.cuda.get_device_name() if device == "cuda" else "CPU",
        torch=torch.__version__,
        mmpose=mmpose.__version__,
        swahr_mmpose=swahr_mmpose.__version__,
    )


def read_curves(work_dir: Path) -> dict[str, list[float]]:
    """What MMEngine logged while training, over all parts of a resumed run, by name."""
    steps: dict[int, dict[str, float]] = {}
    for log in sorted(work_dir.glob("*/vis_data/scalars.json")):
        for line in log.read_text().splitlines():
            scalars = json.loads(line)
            if "loss" in scalars:
                steps[scalars["step"]] = scalars
    names = [
        name
        for name in next(iter(steps.values()))
        if name.startswith(("loss", "foreground", "step"))
    ]
    return {name: [round(steps[step][name], 6) for step in sorted(steps)] for name in names}


@torch.no_grad()
def measure_widths(model: Any, loader: Any) -> dict[str, Any]:
    """Predicted keypoint width against person size and keypoint type, at the true places.

    Returns:
        ``people``: [√area, mean width] of each person with 5 labelled keypoints or more, both in
        input pixels; ``size_rank_correlation`` and ``size_p_value`` between the two (Spearman);
        ``keypoint_types``: (K,) mean over people of a keypoint's width relative to the
        person's mean.
    """
    model.eval()
    people, relative = [], []
    for batch in loader:
        data = model.data_preprocessor(batch)
        inputs, (sample,) = data["inputs"], data["data_samples"]
        scales = model.head.forward(model.extract_feat(inputs)).scales[-1][0]
        meta = sample.metainfo
        to_input = np.array(meta["input_size"]) / meta["input_scale"]
        corner = meta["input_center"] - meta["input_scale"] / 2
        for annotation in meta["raw_ann_info"]:
            labels = np.array(annotation["keypoints"], dtype=float).reshape(-1, 3)
            labelled = labels[:, 2] > 0
            if annotation.get("iscrowd") or labelled.sum() < 5:
                continue
            places = (labels[None, :, :2] - corner) * to_input
            (widths,) = keypoint_widths(
                places, scales, tuple(inputs.shape[2:]), model.head.decoder.sigma
            )
            widths[~labelled] = np.nan
            mean = np.nanmean(widths)
            people.append([np.sqrt(annotation["area"] * to_input.prod()), mean])
            relative.append(widths / mean)
    correlation = spearmanr(*np.array(people).T)
    return dict(
        people=np.round(people, 3).tolist(),
        size_rank_correlation=float(correlation.statistic),
        size_p_value=float(correlation.pvalue),
        keypoint_types=np.round(np.nanmean(relative, axis=0), 5).tolist(),
    )
