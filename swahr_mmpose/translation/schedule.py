"""Optimizer, schedule, logs and checkpoints of MMPose 0.x."""

from __future__ import annotations

from typing import Any

from .old_config import OldConfig, OldConfigError

#: Hooks of logs in MMPose 0.x, and what takes their place.
_WRITERS = {
    "TensorboardLoggerHook": "TensorboardVisBackend",
    "WandbLoggerHook": "WandbVisBackend",
    "MlflowLoggerHook": "MLflowVisBackend",
}

#: Settings of those hooks that have the same names here.
_WRITER_SETTINGS = {
    "WandbLoggerHook": ("init_kwargs",),
    "MlflowLoggerHook": ("exp_name", "tags", "params"),
}

#: The loss scale of ``fp16`` in MMPose 0.x where nothing is said.
_LOSS_SCALE = 512.0

#: Settings of a dynamic loss scale, and their names in PyTorch.
_SCALER_NAMES = {"scale_factor": "growth_factor", "scale_window": "growth_interval"}


def schedule_of(old: OldConfig, ap: str) -> dict[str, Any]:
    """Everything of a config but model and data.

    Args:
        old: The config.
        ap: Name of the figure that decides about the best checkpoint.
    """
    epochs = _epochs_of(old)
    translated = dict(
        train_cfg=dict(max_epochs=epochs, val_interval=old.take("evaluation.interval", 1)),
        optim_wrapper=_optim_wrapper_of(old),
        param_scheduler=_schedulers(old, epochs),
        default_hooks=dict(
            checkpoint=_checkpoints(old, ap),
            logger=dict(interval=old.take("log_config.interval", 50)),
        ),
    )
    return {**translated, **_run_time(old)}


def _epochs_of(old: OldConfig) -> int:
    epochs = old.take("total_epochs", None)
    name = "runner.max_epochs" if epochs is None else "total_epochs"
    if epochs is None:
        epochs = old.take(name)
    if not isinstance(epochs, int) or epochs < 1:
        raise OldConfigError(
            f"`{name}` is {epochs!r}, and must be the number of epochs, at least 1."
        )
    old.drop("runner.type", "EpochBasedRunner")
    old.drop("runner.max_epochs", epochs)
    return epochs


def _optim_wrapper_of(old: OldConfig) -> dict[str, Any]:
    """The optimizer, and what MMPose 0.x has in it or beside it."""
    optimizer = {**old.take("optimizer")}
    if "type" not in optimizer:
        raise OldConfigError(
            "`optimizer` has no `type`. Several optimizers, one for each part of the network, have "
            "no counterpart here: give one, and learning rates of parts in its `paramwise_cfg`."
        )
    wrapper: dict[str, Any] = dict(type="OptimWrapper")
    paramwise = optimizer.pop("paramwise_cfg", None)
    if paramwise:
        wrapper["paramwise_cfg"] = _renamed(paramwise)
    constructor = optimizer.pop("constructor", "DefaultOptimizerConstructor")
    if constructor != "DefaultOptimizerConstructor":
        wrapper["constructor"] = constructor
        old.put("optimizer.constructor", constructor)
    wrapper["optimizer"] = {"_delete_": True, **optimizer}
    clip = old.take("optimizer_config.grad_clip", None)
    if clip:
        wrapper["clip_grad"] = clip
    fp16 = old.take("fp16", None)
    # without settings it is on, too
    if fp16 is not None:
        scale = fp16.pop("loss_scale", _LOSS_SCALE)
        wrapper.update(type="AmpOptimWrapper", loss_scale=_loss_scale(scale))
        if fp16:
            old.put("fp16", fp16)
    return wrapper


def _renamed(paramwise: dict[str, Any]) -> dict[str, Any]:
    """Settings of parameters, whose names begin with `head` here."""
    keys = paramwise.get("custom_keys")
    if not keys:
        return paramwise
    renamed = {name.replace("keypoint_head", "head"): value for name, value in keys.items()}
    return {**paramwise, "custom_keys": renamed}


def _loss_scale(scale: Any) -> Any:
    """A whole number is refused here, and a dictionary's scale is always dynamic."""
    if isinstance(scale, dict):
        if scale.pop("mode", "dynamic") == "static":
            return float(scale["init_scale"])
        return {_SCALER_NAMES.get(name, name): value for name, value in scale.items()}
    return scale if isinstance(scale, str) else float(scale)


def _checkpoints(old: OldConfig, ap: str) -> dict[str, Any]:
    checkpoint: dict[str, Any] = dict(interval=old.take("checkpoint_config.interval", 1))
    checkpoint["max_keep_ckpts"] = old.take("checkpoint_config.max_keep_ckpts", -1)
    old.drop("checkpoint_config.by_epoch", True)
    old.drop("evaluation.metric", "mAP", ["mAP"])
    old.drop("evaluation.by_epoch", True)
    old.drop("evaluation.rule", "greater", None)
    # the inherited config would keep the best
    checkpoint.update(save_best=None)
    best = old.take("evaluation.save_best", None)
    if best == "AP":
        checkpoint.update(save_best=ap, rule="greater")
    elif best is not None:
        old.put("evaluation.save_best", best)
    return checkpoint


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
    by_epoch = old.take("lr_config.warmup_by_epoch", False)
    span = dict(begin=0, end=end, by_epoch=by_epoch)
    # MMPose 0.x changes the rate at each iteration, whatever it counts in
    return [dict(own, **span, convert_to_iter_based=True) if by_epoch else dict(own, **span)]


def _writers(old: OldConfig) -> list[dict[str, Any]]:
    """What logs are written to but text; leaves the hooks that have no counterpart."""
    writers, left = [], []
    for hook in old.take("log_config.hooks", []):
        kind = hook.pop("type")
        # logs are by epoch in either
        if hook.get("by_epoch") is True:
            del hook["by_epoch"]
        if kind in _WRITERS:
            names = [name for name in _WRITER_SETTINGS.get(kind, ()) if name in hook]
            writers.append(dict(type=_WRITERS[kind], **{name: hook.pop(name) for name in names}))
        if hook or kind not in {*_WRITERS, "TextLoggerHook"}:
            left.append(dict(type=kind, **hook) if hook else kind)
    if left:
        old.put("log_config.hooks", left)
    return writers


def _run_time(old: OldConfig) -> dict[str, Any]:
    """Logs, where a training starts from, and processes."""
    translated: dict[str, Any] = {}
    writers = _writers(old)
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
