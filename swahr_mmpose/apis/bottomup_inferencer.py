"""MMPose's inferencer, with the predicted keypoint widths in its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmengine
from mmpose.apis import MMPoseInferencer

from ..models.keypoint_widths import widths_in_picture


class BottomupInferencer(MMPoseInferencer):
    """``MMPoseInferencer`` whose predictions carry ``keypoint_widths``, in its JSON files too.

    MMPose's own writes a fixed list of fields. The widths are standard deviations in pixels of
    the picture.

    Args:
        pose2d: Path of a config with :class:`SWAHRHead`.
        pose2d_weights: Path of a checkpoint.
        **kwargs: As for ``MMPoseInferencer``.
    """

    def __init__(self, pose2d: str, pose2d_weights: str | None = None, **kwargs: Any) -> None:
        super().__init__(pose2d, pose2d_weights, **kwargs)
        self.inferencer.model.test_cfg["output_scales"] = True

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
        for people, sample in zip(people_of_samples, preds, strict=True):
            for person, widths in zip(people, widths_in_picture(sample), strict=True):
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
