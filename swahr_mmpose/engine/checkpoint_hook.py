"""Checkpoints that neither a kill nor a full disk can break."""

from __future__ import annotations

from collections import deque
from logging import LogRecord
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import find_latest_checkpoint
from mmpose.registry import HOOKS

from ..checkpoints.checks import not_finite
from ..checkpoints.reading import CheckpointError
from ..utils.files import PARTIAL, write_whole


def _concerns_users(record: LogRecord) -> bool:
    """False of MMEngine's warnings that it uses what it deprecates."""
    return not str(record.msg).startswith(('"FileClient"', '"HardDiskBackend"'))


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, whose files are whole at any moment.

    Checkpoints, the best ones too, and ``last_checkpoint`` are written beside their places and
    then renamed. Old ones are removed once the new one is there and named by ``last_checkpoint``,
    so that there is one to go on from always; the disk must have room for one more than are kept.
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
    keep_ckpt_ids: deque[int]

    def before_train(self, runner: Any) -> None:
        """Find out where to save, and tidy up what a killed run left."""
        # each checkpoint would be accompanied by such warnings
        runner.logger.addFilter(_concerns_users)
        super().before_train(runner)
        if self.backend_args is not None or type(self.file_backend) is not LocalBackend:
            return
        self.backend_args = dict(backend=ATOMIC)
        self.file_backend = LaterRemovals()
        if is_main_process():
            for folder in {Path(self.out_dir), Path(runner.work_dir)}:
                for path in remove_partial_files(folder):
                    runner.logger.info(f"Removed {path}, which a stopped run left half-written.")

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse to save weights that are no numbers.

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

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume from a file that lacks what a training goes on with.

        Raises:
            CheckpointError: If it does, with what is missing.
        """
        if not runner._resume:
            return
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

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        """Save a checkpoint, name it as the last one, and only then remove the oldest."""
        if not isinstance(self.file_backend, LaterRemovals):
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        if self.max_keep_ckpts > 0:
            self._keep(step)
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        file_name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir) / file_name)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            file_name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_atomically(Path(runner.work_dir) / "last_checkpoint", self.last_ckpt.encode())
            self._remove_outdated()

    def _keep(self, step: int) -> None:
        """Note the step of a checkpoint, and those that are too many for removal."""
        kept = [*self.keep_ckpt_ids, *([] if step in self.keep_ckpt_ids else [step])]
        for outdated in kept[: -self.max_keep_ckpts]:
            self.file_backend.remove(Path(self.out_dir) / self.filename_tmpl.format(outdated))
        self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, float]) -> None:
        """As in MMEngine; the best one so far is removed when its successor is there."""
        super()._save_best_checkpoint(runner, metrics)
        if isinstance(self.file_backend, LaterRemovals) and is_main_process():
            self._remove_outdated()

    def _remove_outdated(self) -> None:
        """Remove the files noted for it, but none that was written anew under the same name."""
        best = getattr(self, "best_ckpt_path_dict", {}).values()
        current = {self.last_ckpt, getattr(self, "best_ckpt_path", None), *best}
        self.file_backend.remove_outdated(but=current - {None})


#: The name of :class:`AtomicBackend` in ``backend_args``.
ATOMIC = "swahr_atomic"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file of a training with :func:`write_whole`.

    Raises:
        OSError: If it can't be written, with what to do. What was there before is untouched.

    Examples:
        >>> write_atomically(Path("no_such_folder/epoch_1.pth"), b"")
        Traceback (most recent call last):
            ...
        FileNotFoundError: ...'no_such_folder/epoch_1.pth' could not be written, and what was ...
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror}: '{path}' could not be written, and what was saved before is as it "
            "was. Make room (or have less of it kept, `default_hooks.checkpoint.max_keep_ckpts`), "
            "then go on with `--resume`",
        ) from error


def remove_partial_files(folder: Path) -> list[Path]:
    """Remove what a killed process left half-written in a folder; what was removed.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "epoch_1.pth.partial").touch()
        ...     [path.name for path in remove_partial_files(Path(folder))]
        ['epoch_1.pth.partial']
    """
    partial = sorted(folder.glob(f"*{PARTIAL}"))
    for path in partial:
        path.unlink()
    return partial


class AtomicBackend(LocalBackend):
    """MMEngine's backend for local files, writing with :func:`write_atomically`.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     AtomicBackend().put(b"weights", f"{folder}/new/epoch_1.pth")
        ...     Path(folder, "new", "epoch_1.pth").read_bytes()
        b'weights'
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file; its folder is made if missing."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, obj)


register_backend(ATOMIC, AtomicBackend, force=True)


class LaterRemovals(AtomicBackend):
    """Keeps the files that it is to remove until what replaces them is there."""

    def __init__(self) -> None:
        self._outdated: list[Path] = []

    def remove(self, filepath: str | Path) -> None:
        """Note a file for :meth:`remove_outdated`."""
        self._outdated.append(Path(filepath))

    def remove_outdated(self, but: set[str]) -> None:
        """Remove the files noted, less those that were written anew (``but``)."""
        for path in self._outdated:
            if str(path) not in but:
                path.unlink(missing_ok=True)
        self._outdated = []
