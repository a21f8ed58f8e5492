"""Checkpoints that neither a kill nor a full disk can break."""

from __future__ import annotations

from logging import LogRecord
from pathlib import Path
from typing import Any, Callable, ClassVar

from mmengine.dist import all_reduce, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, find_latest_checkpoint
from mmpose.evaluation.metrics import AUC, EPE, NME, PCKAccuracy
from mmpose.registry import HOOKS

from ..checkpoints.checks import not_finite
from ..checkpoints.reading import CheckpointError
from ..utils.files import PARTIAL, write_atomically


def _concerns_users(record: LogRecord) -> bool:
    """False for MMEngine's warnings about its own old classes, and gradients that it would lose."""
    untrue = ('"FileClient"', '"HardDiskBackend"', "Resumed iteration number is not divisible")
    return not str(record.msg).startswith(untrue)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, whose files are whole at any moment.

    Checkpoints, the best ones too, and ``last_checkpoint`` are written beside their places and
    then renamed. Old ones are removed once the new one is there and named by ``last_checkpoint``.
    One can always be resumed from; the disk must have room for one more than are kept.
    What a killed run left half-written is removed when the next one starts.

    Weights that hold NaN or infinity are not saved, and a file that is no checkpoint of a training
    is not resumed from: both end the run with an error that says so.

    With ``backend_args`` or an ``out_dir`` on other storage than the file system, files are written
    as MMEngine writes them there.

    Args:
        *args: As for ``CheckpointHook``.
        **kwargs: Likewise.
    """

    backend_args: dict[str, Any] | None
    file_backend: Any

    # better the greater they are, which `save_best="auto"` has to know
    _default_greater_keys: ClassVar = [*CheckpointHook._default_greater_keys, "AP", "/AR"]

    def before_train(self, runner: Any) -> None:
        """Check the validation, find out where to save, and tidy up what a killed run left.

        Raises:
            ValueError: If a metric is for one person, or gives no such figure as ``save_best``.
        """
        metrics = runner.val_loop.evaluator.metrics if runner.val_loop else []
        for metric in metrics:
            if isinstance(metric, (AUC, EPE, NME, PCKAccuracy)):
                raise ValueError(
                    f"`{type(metric).__name__}` in `val_evaluator` is for one person in each "
                    "image. Use `BottomupCocoMetric`."
                )
        prefixes = [metric.prefix for metric in metrics]
        for key in self.key_indicators if self.save_best and prefixes and all(prefixes) else ():
            if key != "auto" and key.split("/")[0] not in prefixes:
                raise ValueError(f"`save_best` is {key!r}: no such figure; '{prefixes[0]}/AP' is.")
        # each checkpoint would be accompanied by such warnings
        runner.logger.addFilter(_concerns_users)
        super().before_train(runner)
        if self.backend_args is not None or type(self.file_backend) is not LocalBackend:
            return
        self.backend_args = dict(backend=ATOMIC)
        self.file_backend = AtomicBackend()
        if is_main_process():
            for folder in {Path(self.out_dir), Path(runner.work_dir)}:
                for path in folder.glob(f"*{PARTIAL}"):
                    path.unlink()
                    runner.logger.info(f"Removed {path}, which a stopped run left half-written.")

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse to save weights that are no numbers; add the gradients of an unfinished step.

        Raises:
            FloatingPointError: If there are any.
        """
        broken = not_finite(checkpoint["state_dict"])
        if broken:
            raise FloatingPointError(
                f"The weights hold NaN or infinity after iteration {runner.iter + 1}, in "
                f"{len(broken)} tensors, first {broken[0]}: they were not saved, and the last "
                f"checkpoint, {find_latest_checkpoint(runner.work_dir)}, is from before. The "
                "training diverged: go on from there with `--resume` and a lower learning rate, "
                "and with bfloat16 in place of float16."
            )
        gradients = [weight.grad for weight in runner.model.parameters()]
        if "optimizer" in checkpoint and any(own is not None for own in gradients):
            checkpoint["accumulated_gradients"] = gradients

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume from a file that lacks what a training goes on with.

        Raises:
            CheckpointError: If it does, with what is missing, or has epochs of another length.
        """
        if not runner._resume:
            return
        runner.logger.addFilter(_concerns_users)
        meta = checkpoint.get("meta") or {}
        missing = [f"meta.{name}" for name in ("epoch", "iter") if name not in meta]
        needed = ["message_hub", "optimizer"]
        if runner.param_schedulers:
            needed.append("param_schedulers")
        missing += [name for name in needed if name not in checkpoint]
        if missing:
            name = runner._load_from or find_latest_checkpoint(runner.work_dir)
            raise CheckpointError(
                f"'{name}' can't be resumed from: it has no {', '.join(missing)}. It holds weights "
                "(a best checkpoint, a published or a converted one do), and not the state of a "
                "training. Resume from an `epoch_*.pth` or `iter_*.pth` of the training, or start "
                "a new one from these weights: give them as `load_from`, without `--resume`."
            )
        loop, saved = runner.train_loop, checkpoint["message_hub"]["runtime_info"]
        before = saved.get("max_iters", 0) // saved.get("max_epochs", 1)
        if isinstance(loop, EpochBasedTrainLoop) and before not in (0, len(loop.dataloader)):
            raise CheckpointError(
                f"An epoch has {len(loop.dataloader)} iterations, but had {before} before: the "
                "schedule would end at another rate. Resume with the same images, batch size and "
                "number of processes, or start anew from the weights, with `load_from`."
            )
        accumulated = checkpoint.get("accumulated_gradients", ())
        for weight, gradient in zip(runner.model.parameters(), accumulated):
            weight.grad = gradient

    def after_train_epoch(self, runner: Any) -> None:
        """Save if it is time."""
        self._save(super().after_train_epoch, runner)

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Likewise."""
        self._save(super().after_train_iter, runner, *args, **kwargs)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float]) -> None:
        """Save the best weights so far."""
        self._save(super().after_val_epoch, runner, metrics)

    def _save(self, save: Callable[..., None], runner: Any, *args: Any, **kwargs: Any) -> None:
        """Save as MMEngine does; then name the last checkpoint, and remove what it replaces."""
        AtomicBackend.outdated.clear()  # what a save noted that failed stays
        save(_NamingElsewhere(runner), *args, **kwargs)
        if not is_main_process():
            return
        named = Path(runner.log_dir, LAST)
        if named.exists():
            write_atomically(Path(runner.work_dir, LAST), named.read_bytes())
            named.unlink()
        while AtomicBackend.outdated:
            AtomicBackend.outdated.pop().unlink(missing_ok=True)


#: The file in which MMEngine looks up the checkpoint to resume from.
LAST = "last_checkpoint"


class _NamingElsewhere:
    """A runner for ``CheckpointHook``, which then writes ``last_checkpoint`` beside the log.

    MMEngine empties that file before it writes to it.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.work_dir = runner.log_dir

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Save, with the mean of what all processes have accumulated."""
        for weight in self._runner.model.parameters():
            if weight.grad is not None:
                all_reduce(weight.grad, "mean")
        self._runner.save_checkpoint(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)


#: The name of :class:`AtomicBackend` in ``backend_args``.
ATOMIC = "swahr_atomic"


class AtomicBackend(LocalBackend):
    """MMEngine's backend for local files; writes are atomic, and removals left to the hook.

    Attributes:
        outdated: Files that MMEngine would remove before their successors are there. It makes a
            backend for each write, and all share this.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     AtomicBackend().put(b"weights", f"{folder}/new/epoch_1.pth")
        ...     Path(folder, "new", "epoch_1.pth").read_bytes()
        b'weights'
    """

    outdated: ClassVar[set[Path]] = set()

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file; its folder is made if missing."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, obj)
        self.outdated.discard(path)

    def remove(self, filepath: str | Path) -> None:
        """Note a file for removal."""
        self.outdated.add(Path(filepath))


register_backend(ATOMIC, AtomicBackend, force=True)
