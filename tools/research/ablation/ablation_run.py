"""One run of the ablation: a variant, trained, tested and looked into."""

from __future__ import annotations

import contextlib
import datetime
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import loss_share_hook  # noqa: F401  (registers the hook)
import mmpose
import torch
from ablation_measures import measure_widths
from ablation_variants import VARIANTS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed

import swahr_mmpose
from swahr_mmpose.utils.files import write_atomically

#: How often losses are logged and a stopped run can be taken up again, in iterations.
_LOG_INTERVAL, _CHECKPOINT_INTERVAL = 20, 120


@dataclass(frozen=True)
class Experiment:
    """Data and network that all variants share.

    Attributes:
        config: Name of the config whose head the variants change.
        train: (annotation file, image folder) under the data's folder.
        val: Likewise, the held-out images.
        generated: Whether the images are drawn; else they are those of ``SWAHR_REAL_DATA``.
        label_noise: Noise on the training labels; see ``SyntheticOptions``.
        image_seed: Decides what training images are drawn.
        backbone: The experiment whose first HigherHRNet gives the backbone's weights, as ImageNet
            does in the official training; None starts from random ones.
    """

    config: str
    train: tuple[str, str]
    val: tuple[str, str]
    generated: bool = False
    label_noise: float = 0.0
    image_seed: int = 0
    backbone: str | None = None


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
    "pretraining": Experiment(**_GENERATED, image_seed=2),
    "drawn": Experiment(**_GENERATED, backbone="pretraining"),
    "drawn_noisy": Experiment(**_GENERATED, label_noise=0.5, backbone="pretraining"),
    "drawn_scratch": Experiment(**_GENERATED),
    "drawn_noisy_scratch": Experiment(**_GENERATED, label_noise=0.5),
    "real_narrow": Experiment("swahr_tiny_synthetic", **_REAL, backbone="pretraining"),
    "real_w32": Experiment("swahr_hrnet_w32_coco", **_REAL),
}


@dataclass(frozen=True)
class Budget:
    """What a run may use; the same for all runs of an experiment.

    Attributes:
        iterations: Training iterations.
        batch_size: Images in a batch; the learning rate follows it linearly.
        bf16: Whether the network trains in bfloat16 (losses are float32 all the same).
        train_images: Number of training images drawn, for drawn ones.
        val_images: Number of held-out images drawn.
    """

    iterations: int
    batch_size: int
    bf16: bool
    train_images: int
    val_images: int

    def __post_init__(self) -> None:
        if self.iterations < 2:
            raise ValueError(
                f"`iterations` must be at least 2, of which one is warm-up, but got "
                f"{self.iterations}."
            )


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
        backbone: Checkpoint that the backbone starts from; None starts from random weights.
        threads: Processor threads.
        workers: Processes that load data.
    """

    experiment: str
    variant: str
    seed: int
    budget: Budget
    data: Path
    work_dir: Path
    record: Path
    backbone: Path | None = None
    threads: int = 1
    workers: int = 0


def settings_of(experiment: str, budget: Budget) -> dict[str, Any]:
    """All that runs must have in common to be compared."""
    spec = EXPERIMENTS[experiment]
    settings = dict(
        asdict(budget),
        config=spec.config,
        label_noise=spec.label_noise,
        backbone=spec.backbone or "random",
    )
    if not spec.generated:
        del settings["train_images"], settings["val_images"]
    return settings


def build_config(job: Job) -> Config:
    """The experiment's config with the variant's head, the budget and the data."""
    experiment, budget = EXPERIMENTS[job.experiment], job.budget
    config = Config.fromfile(swahr_mmpose.config_path(experiment.config))
    config.merge_from_dict(dict(model=dict(head=VARIANTS[job.variant])))
    # weights of ImageNet would have to be downloaded
    config.model.backbone.pop("init_cfg", None)
    if job.backbone:
        config.model.backbone.init_cfg = dict(
            type="Pretrained", checkpoint=str(job.backbone), prefix="backbone."
        )

    train, test = config.train_dataloader, config.test_dataloader
    train.update(batch_size=budget.batch_size, sampler=dict(type="InfiniteSampler", shuffle=True))
    for loader, (ann_file, images) in ((train, experiment.train), (test, experiment.val)):
        loader.update(num_workers=job.workers, persistent_workers=job.workers > 0)
        loader.dataset.update(
            data_root=str(job.data), ann_file=ann_file, data_prefix=dict(img=images)
        )
    config.val_dataloader = config.val_cfg = config.val_evaluator = None

    iterations, warm_up = budget.iterations, max(1, budget.iterations // 14)
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

    interval = max(1, min(_LOG_INTERVAL, iterations // 3))
    config.default_hooks.logger = dict(type="LoggerHook", interval=interval)
    config.default_hooks.checkpoint.update(
        by_epoch=False,
        interval=max(1, min(_CHECKPOINT_INTERVAL, iterations // 8)),
        max_keep_ckpts=1,
    )
    config.log_processor = dict(type="LogProcessor", window_size=interval, by_epoch=False)
    config.custom_hooks = [
        dict(type="ChannelsLastHook"),
        dict(type="LossShareHook", interval=interval),
    ]
    config.randomness = dict(seed=job.seed)
    config.work_dir, config.resume = str(job.work_dir), True
    return config


def run_job(job: Job) -> None:
    """Train, test, measure, and write the record; a stopped run goes on at its checkpoint."""
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
    content = json.dumps(record, separators=(",", ":")) + "\n"
    # the folder's own says that this run is complete, also where records come from elsewhere
    for path in (job.work_dir / "record.json", job.record):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.encode())


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
        # a stopped run may leave a line that has no end
        for line in log.read_text().rpartition("\n")[0].splitlines():
            scalars = json.loads(line)
            if "loss" in scalars:
                steps[scalars["step"]] = scalars
    names = [
        name
        for name in next(iter(steps.values()))
        if name.startswith(("loss", "foreground", "step"))
    ]
    return {name: [round(steps[step][name], 6) for step in sorted(steps)] for name in names}
