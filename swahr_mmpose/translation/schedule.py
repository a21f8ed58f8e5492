"""Optimizer, schedule, logs and checkpoints of MMPose 0.x."""

from __future__ import annotations

from typing import Any

from .old_config import OldConfig

#: Hooks of logs in MMPose 0.x, and what takes their place.
_WRITERS = {
    "TensorboardLoggerHook": "TensorboardVisBackend",
    "WandbLoggerHook": "WandbVisBackend",
    "MlflowLoggerHook": "MLflowVisBackend",
}


def schedule_of(old: OldConfig, ap: str) -> dict[str, Any]:
    """Everything of a config but model and data.

    Args:
        old: The config.
        ap: Name of the figure that decides about the best checkpoint.

    Examples:
        >>> schedule = dict(total_epochs=300, lr_config=dict(policy="step", step=[200, 260]))
        >>> old = OldConfig(dict(schedule, optimizer=dict(type="Adam", lr=0.0015)))
        >>> schedule_of(old, "coco/AP")["param_scheduler"][0]["milestones"]
        [200, 260]
    """
    epochs = old.take("total_epochs", None) or old.take("runner.max_epochs")
    old.drop("runner.type", "EpochBasedRunner")
    old.drop("runner.max_epochs", epochs)
    wrapper: dict[str, Any] = dict(
        type="OptimWrapper", optimizer={"_delete_": True, **old.take("optimizer")}
    )
    clip = old.take("optimizer_config.grad_clip", None)
    if clip:
        wrapper["clip_grad"] = clip
    scale = old.take("fp16.loss_scale", None)
    if scale is not None:
        wrapper.update(type="AmpOptimWrapper", loss_scale=scale)
    interval = old.take("evaluation.interval", 1)
    checkpoint: dict[str, Any] = dict(interval=old.take("checkpoint_config.interval", 1))
    checkpoint["max_keep_ckpts"] = old.take("checkpoint_config.max_keep_ckpts", -1)
    old.drop("evaluation.metric", "mAP", ["mAP"])
    best = old.take("evaluation.save_best", None)
    if best == "AP":
        checkpoint.update(save_best=ap, rule="greater")
    elif best is not None:
        old.put("evaluation.save_best", best)
    translated = dict(
        train_cfg=dict(max_epochs=epochs, val_interval=interval),
        optim_wrapper=wrapper,
        param_scheduler=_schedulers(old, epochs),
        default_hooks=dict(
            checkpoint=checkpoint, logger=dict(interval=old.take("log_config.interval", 50))
        ),
    )
    return {**translated, **_run_time(old)}


def _schedulers(old: OldConfig, epochs: int) -> list[dict[str, Any]]:
    """The learning rate: warm-up, mostly by iterations, then a policy by epochs."""
    policy = old.take("lr_config.policy", "fixed")
    old.drop("lr_config.by_epoch", True)
    schedulers = _warm_up(old)
    span = dict(begin=0, end=epochs, by_epoch=True)
    if policy == "step":
        steps = old.take("lr_config.step")
        milestones = list(range(steps, epochs, steps)) if isinstance(steps, int) else list(steps)
        gamma = old.take("lr_config.gamma", 0.1)
        schedulers.append(dict(type="MultiStepLR", milestones=milestones, gamma=gamma, **span))
    elif policy == "CosineAnnealing":
        least = {"eta_min": old.take("lr_config.min_lr", None),
                 "eta_min_ratio": old.take("lr_config.min_lr_ratio", None)}  # fmt: skip
        given = {name: value for name, value in least.items() if value is not None}
        schedulers.append(dict(type="CosineAnnealingLR", T_max=epochs, **given, **span))
    elif policy != "fixed":
        old.put("lr_config.policy", policy)
    return schedulers


def _warm_up(old: OldConfig) -> list[dict[str, Any]]:
    kind = old.take("lr_config.warmup", None)
    if kind not in ("linear", "constant"):
        if kind is not None:
            old.put("lr_config.warmup", kind)
        return []
    ratio = old.take("lr_config.warmup_ratio", 0.1)
    own = (
        dict(type="LinearLR", start_factor=ratio)
        if kind == "linear"
        else dict(type="ConstantLR", factor=ratio)
    )
    end = old.take("lr_config.warmup_iters")
    return [dict(own, begin=0, end=end, by_epoch=old.take("lr_config.warmup_by_epoch", False))]


def _run_time(old: OldConfig) -> dict[str, Any]:
    """Logs, where a training starts from, and processes."""
    translated: dict[str, Any] = {}
    hooks = [hook["type"] for hook in old.take("log_config.hooks", [])]
    writers = [dict(type=_WRITERS[hook]) for hook in hooks if hook in _WRITERS]
    unknown = [hook for hook in hooks if hook not in {*_WRITERS, "TextLoggerHook"}]
    if unknown:
        old.put("log_config.hooks", unknown)
    if writers:
        backends = [dict(type="LocalVisBackend"), *writers]
        translated.update(vis_backends=backends, visualizer=dict(vis_backends=backends))
    translated["log_level"] = old.take("log_level", "INFO")
    translated["load_from"] = old.take("load_from", None)
    old.drop("resume_from", None)
    processes: dict[str, Any] = dict(
        dist_cfg=dict(backend=old.take("dist_params.backend", "nccl")),
        cudnn_benchmark=old.take("cudnn_benchmark", False),
        mp_cfg=dict(
            mp_start_method=old.take("mp_start_method", "fork"),
            opencv_num_threads=old.take("opencv_num_threads", 0),
        ),
    )
    translated["env_cfg"] = processes
    unused = old.take("find_unused_parameters", None)
    if unused is not None:
        translated["find_unused_parameters"] = unused
    old.drop("workflow", [("train", 1)], [["train", 1]])
    return translated
