"""Draws predictions: the same images at each validation, and all images of a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine import fileio
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmpose.registry import HOOKS

from ..images.files import decode_annotated
from ..utils.files import UniqueNames
from ..visualization.bottomup_visualizer import BottomupVisualizer


@HOOKS.register_module()
class BottomupVisualizationHook(Hook):
    """Draw predictions, with the maps that the visualizer is to draw (``BottomupVisualizer``).

    MMPose's own hook draws other images at each validation, and loses the tags.

    In a validation the first images go to the visualizer's backends, such as TensorBoard's, as
    ``val_NAME`` at the step of the training: how people, heatmaps and tags come to be can be
    followed. In a test images go to ``out_dir``, to a window, or else to the backends.

    ``mim test mmpose CONFIG --show-dir DIR`` switches it on, where a config has it as
    ``default_hooks.visualization``.

    Args:
        enable: Whether anything is drawn.
        num_val_images: How many images are drawn at each validation, by the first process.
        interval: In a test, one image of so many is drawn.
        kpt_thr: Keypoints of a lower score are not drawn.
        show: Whether to show images in a window.
        wait_time: How long, in seconds; 0 until a key is pressed.
        out_dir: Where to write images: a path, or relative to the folder of the run. The backends
            get those of a validation in any case, those of a test only without a folder.
        backend_args: How to read images, where they are not local files.

    Raises:
        ValueError: If a number is not positive.
    """

    priority = "NORMAL"

    def __init__(
        self,
        enable: bool = False,
        num_val_images: int = 4,
        interval: int = 1,
        kpt_thr: float = 0.3,
        show: bool = False,
        wait_time: float = 0.0,
        out_dir: str | None = None,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        for name, number in (("num_val_images", num_val_images), ("interval", interval)):
            if number < 1:
                raise ValueError(f"`{name}` must be at least 1, but is {number}.")
        self.enable = enable
        self.num_val_images = num_val_images
        self.interval = interval
        self.kpt_thr = kpt_thr
        self.show = show
        self.wait_time = wait_time
        self.out_dir = out_dir
        self.backend_args = backend_args
        self._test_cfg: dict[str, Any] | None = None
        self._num_seen = 0
        self._unique = UniqueNames()

    def before_val(self, runner: Any) -> None:
        """Begin with the first image."""
        self._begin(runner, runner.val_evaluator)

    def before_test(self, runner: Any) -> None:
        """Likewise."""
        self._begin(runner, runner.test_evaluator)
        if self.enable:
            self._ask_for_maps(runner)

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Have the model keep the maps of images that will be drawn."""
        if self.enable and self._num_seen < self.num_val_images:
            self._ask_for_maps(runner)

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] = ()
    ) -> None:
        """Draw the first images."""
        if not self.enable or self._num_seen >= self.num_val_images:
            return
        for sample in outputs[: self.num_val_images - self._num_seen]:
            name = self._name_of(sample)
            drawn = runner.visualizer.add_datasample(
                f"val_{name.stem}", self._read(sample), sample, step=runner.iter,
                show=self.show, wait_time=self.wait_time, **self._what(),
            )  # fmt: skip
            # only the first process has drawn
            if drawn is not None and self.out_dir is not None:
                self._write(runner, drawn, f"val_{name.stem}_{runner.iter}{name.suffix}")
        self._num_seen += len(outputs)
        self._forget_maps(runner)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] = ()
    ) -> None:
        """Draw images; each process writes its own to ``out_dir``."""
        if not self.enable:
            return
        for sample in outputs:
            self._num_seen += 1
            if (self._num_seen - 1) % self.interval:
                continue
            image, name = self._read(sample), self._name_of(sample)
            if self.out_dir is not None:
                drawn = runner.visualizer.draw_datasample(image, sample, **self._what())
                self._write(runner, drawn, str(name))
                if self.show:
                    runner.visualizer.show(drawn, win_name=str(name), wait_time=self.wait_time)
            else:
                runner.visualizer.add_datasample(
                    f"test_{name.stem}", image, sample,
                    show=self.show, wait_time=self.wait_time, **self._what(),
                )  # fmt: skip

    def after_test(self, runner: Any) -> None:
        """Leave the model as it was."""
        self._forget_maps(runner)

    def _begin(self, runner: Any, evaluator: Any) -> None:
        self._num_seen = 0
        self._unique = UniqueNames()
        if not self.enable:
            return
        if not isinstance(runner.visualizer, BottomupVisualizer):
            raise TypeError(
                "`BottomupVisualizationHook` draws with `BottomupVisualizer`, but the config's "
                f"`visualizer` is `{type(runner.visualizer).__name__}`. Change one of them."
            )
        runner.visualizer.set_dataset_meta(evaluator.dataset_meta)

    def _ask_for_maps(self, runner: Any) -> None:
        model, visualizer = _model_of(runner), runner.visualizer
        if self._test_cfg is None:
            self._test_cfg = model.test_cfg
        draws_widths = visualizer.draw_widths and model.head.scales_known
        model.test_cfg = dict(
            self._test_cfg,
            output_heatmaps=True,
            output_scales="scales" in visualizer.maps or draws_widths,
        )

    def _forget_maps(self, runner: Any) -> None:
        if self._test_cfg is not None:
            _model_of(runner).test_cfg = self._test_cfg
            self._test_cfg = None

    def _write(self, runner: Any, drawn: np.ndarray, name: str) -> None:
        folder = Path(runner.work_dir, runner.timestamp, str(self.out_dir))
        folder.mkdir(parents=True, exist_ok=True)
        mmcv.imwrite(drawn[..., ::-1], str(folder / name))

    def _what(self) -> dict[str, Any]:
        return dict(draw_gt=False, draw_heatmap=True, kpt_thr=self.kpt_thr)

    def _name_of(self, sample: Any) -> Path:
        """The name of the image's file, with a number where another had the same."""
        return Path(self._unique(Path(sample.img_path).name))

    def _read(self, sample: Any) -> np.ndarray:
        content = fileio.get(sample.img_path, backend_args=self.backend_args)
        # as it was tested
        image = decode_annotated(content, sample.img_path, tuple(sample.ori_shape[1::-1]))
        return np.ascontiguousarray(image[..., ::-1])


def _model_of(runner: Any) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
