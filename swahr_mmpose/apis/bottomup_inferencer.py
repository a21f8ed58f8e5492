"""MMPose's inferencer, with the predicted keypoint widths in its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmengine
from mmengine.registry import FUNCTIONS, Registry
from mmpose.apis import MMPoseInferencer

from ..model_zoo import weights_for
from ..paths import find_config

# MMEngine looks for functions in MMPose's scope, which has no registry of them, and warns each time
if "mmpose" not in FUNCTIONS.children:
    Registry("function", parent=FUNCTIONS, scope="mmpose")


class BottomupInferencer(MMPoseInferencer):
    """``MMPoseInferencer`` for this package's configs, with ``keypoint_widths`` in its results.

    Widths are standard deviations in pixels of the picture. They are there, also in the JSON
    files, where the checkpoint has a scale branch.

    Args:
        config: Name of one of this package's configs, or path of any config.
        weights: Path or address of a checkpoint. None: those that come with the package for this
            config, or published ones, which are downloaded once into torch hub's cache.
        **kwargs: As for ``MMPoseInferencer``.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If no weights are given, and there are none for this config.
        DownloadError: If the weights can't be fetched.
    """

    def __init__(
        self, config: str | Path, weights: str | Path | None = None, **kwargs: Any
    ) -> None:
        path = find_config(config)
        super().__init__(
            str(path), weights_for(path) if weights is None else str(weights), **kwargs
        )
        self._num_arrays = 0
        model = self.inferencer.model
        if getattr(model.head, "scales_known", False):
            model.test_cfg["output_scales"] = True

    def forward(self, inputs: Any, **forward_kwargs: Any) -> list[Any]:
        """As in MMPose; pictures that have no file get numbers for names, over all calls."""
        samples: list[Any] = super().forward(inputs, **forward_kwargs)
        for sample in samples:
            if not Path(sample.img_path).is_file():
                sample.set_metainfo(dict(img_path=f"{self._num_arrays:06d}.jpg"))
                self._num_arrays += 1
        return samples

    def postprocess(
        self,
        preds: list[Any],
        visualization: list[Any],
        return_datasample: bool | None = None,
        return_datasamples: bool = False,
        pred_out_dir: str = "",
    ) -> dict[str, Any]:
        """As in MMPose, with ``keypoint_widths`` (K,) for each person."""
        result = super().postprocess(preds, visualization, return_datasample, return_datasamples)
        if return_datasample or return_datasamples:
            if not pred_out_dir:
                return result
            people_of_samples = super().postprocess(preds, [])["predictions"]
        else:
            people_of_samples = result["predictions"]
        for people, sample in zip(people_of_samples, preds):
            if "keypoint_widths" in sample.pred_instances:
                for person, widths in zip(people, sample.pred_instances.keypoint_widths):
                    person["keypoint_widths"] = widths.tolist()
            if pred_out_dir:
                self._write(people, sample, Path(pred_out_dir))
        return result

    def _write(self, people: list[dict[str, Any]], sample: Any, folder: Path) -> None:
        if self._video_input:
            # MMPose writes one file for all frames when the video ends
            self.video_info["predictions"].append(people)
        else:
            stem = Path(sample.img_path).stem
            mmengine.dump(people, str(folder / f"{stem}.json"), indent="  ")
