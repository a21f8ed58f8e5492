"""MMPose's inferencer for applications, with the predicted keypoint widths in its results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import mmengine
from mmengine.logging import print_log
from mmengine.registry import FUNCTIONS, Registry
from mmpose.apis import MMPoseInferencer, Pose2DInferencer

from ..checkpoints.model_zoo import weights_for
from ..decoding import DecodeOptions
from ..utils.arguments import nearest
from ..utils.config_files import find_config
from ..utils.files import UniqueNames
from ..visualization.bottomup_visualizer import BottomupVisualizer
from .application_decoding import reads_for_applications
from .inferencer_inputs import as_mmpose_takes_it, is_folder

# MMEngine looks for functions in MMPose's scope, which has no registry of them, and warns each time
if "mmpose" not in FUNCTIONS.children:
    Registry("function", parent=FUNCTIONS, scope="mmpose")

#: Arguments of ``MMPoseInferencer`` that concern detectors, tracking and lifting to 3D only.
_WITHOUT_EFFECT = {
    "bboxes",
    "use_oks_tracking",
    "tracking_thr",
    "disable_norm_pose_2d",
    "disable_rebase_keypoint",
    "merge_results",
    "num_instances",
}


def _check_arguments(given: Mapping[str, Any]) -> None:
    """Raise a TypeError for arguments that MMPose would drop in silence."""
    known = set().union(
        Pose2DInferencer.forward_kwargs,
        Pose2DInferencer.visualize_kwargs,
        Pose2DInferencer.postprocess_kwargs,
        {"return_datasamples", "out_dir"},
    )
    for name in given:
        if name in _WITHOUT_EFFECT:
            raise TypeError(f"`{name}` has no effect on people found bottom-up. Leave it out.")
        if name not in known:
            raise TypeError(
                f"The inferencer has no argument `{name}`.{nearest(name, sorted(known))}"
            )


@dataclass
class _Call:
    """What one call of the inferencer asked for, while its results are taken one by one.

    Attributes:
        options: How people are read.
        skips_unreadable: Whether images that can't be used are left out: those of a folder.
        writes: Whether files are written, which need names of their own.
        unreadable: Which were left out, and why.
        files: The images of the result that is being made.
        unique: Names for files.
    """

    options: DecodeOptions
    skips_unreadable: bool
    writes: bool
    unreadable: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    unique: UniqueNames = field(default_factory=UniqueNames)


def _check_thresholds(
    bbox_thr: float | None, nms_thr: float | Literal["unchanged"] | None
) -> dict[str, Any]:
    """The decoding options that thresholds of a call change."""
    changed: dict[str, Any] = {}
    if bbox_thr is not None:
        if not 0 <= bbox_thr < 1:
            raise ValueError(f"`bbox_thr` must be in [0, 1), but is {bbox_thr}.")
        changed["min_score"] = bbox_thr
    if nms_thr != "unchanged":
        if nms_thr is not None and not 0 < nms_thr < 1:
            raise ValueError(f"`nms_thr` must be None or in (0, 1), but is {nms_thr}.")
        changed["pose_nms_thr"] = nms_thr
    return changed


class BottomupInferencer(MMPoseInferencer):
    """``MMPoseInferencer`` for this package's configs, as applications want it.

    People are read with :data:`swahr_mmpose.decoding.APPLICATION_OPTIONS`: those of a low score,
    and people found twice, are left out. Results have ``keypoint_widths``.

    Widths are standard deviations in pixels of the image. They are there, also in the JSON
    files, where the checkpoint has a scale branch.

    Attributes:
        unreadable: Images of the folder given last that could not be used, and why not.

    Args:
        config: Name of one of this package's configs, or path of any with its codec.
        weights: Path or address of a checkpoint. None: those that come with the package for this
            config, or published ones, which are downloaded once into torch hub's cache.
        decode: Arguments of :class:`swahr_mmpose.decoding.DecodeOptions` that are to differ, such
            as ``dict(grouping="official")``.
        device: Such as ``'cpu'`` or ``'cuda:1'``; None: a GPU if there is one.
        show_progress: Whether to show a progress bar.

    Raises:
        FileNotFoundError: If there is no such config.
        TypeError: If ``decode`` names an option that there is not.
        ValueError: If no weights are given, and there are none for this config; an option of
            ``decode`` is out of its range; or the config has another codec.
        DownloadError: If the weights can't be fetched.

    Examples:
        >>> from swahr_mmpose.synthetic import SyntheticOptions, generate_image
        >>> inferencer = BottomupInferencer("swahr_tiny_synthetic", device="cpu")
        Loads checkpoint by local backend from path: ...swahr_tiny_synthetic.pth
        >>> image, people = generate_image(SyntheticOptions(num_images=3), 2)
        >>> (result,) = inferencer(image)
        >>> len(people), len(result["predictions"][0])
        (4, 4)
    """

    def __init__(
        self,
        config: str | Path,
        weights: str | Path | None = None,
        decode: Mapping[str, Any] | None = None,
        device: str | None = None,
        show_progress: bool = False,
    ) -> None:
        path = find_config(config)
        super().__init__(
            str(path),
            weights_for(path) if weights is None else str(weights),
            device=device,
            show_progress=show_progress,
        )
        self._num_arrays = 0
        self._frame_id = 0
        self.unreadable: dict[str, str] = {}
        model = self.inferencer.model
        if model.head.scales_known:
            model.test_cfg["output_scales"] = True
        reads_for_applications(model, decode)
        self._options: DecodeOptions = model.head.decoder.decode_options
        self._call = _Call(self._options, skips_unreadable=False, writes=False)
        self._lock = Lock()

    def __call__(
        self,
        inputs: Any,
        return_datasamples: bool = False,
        batch_size: int = 1,
        out_dir: str | None = None,
        *,
        bbox_thr: float | None = None,
        nms_thr: float | Literal["unchanged"] | None = "unchanged",
        **kwargs: Any,
    ) -> Iterator[dict[str, Any]]:
        """Find people, image by image: a generator, as in MMPose.

        Each result is a dict of ``predictions`` and ``visualization``, as in MMPose, and ``files``,
        the names of its images; of a video or webcam also ``frame_id``, counted from 0.

        Args:
            inputs: An image, as path, address or array (H, W, 3) uint8 in BGR; a list of
                images; a folder of images, of which those that can't be used are left out with
                a warning; a video; or ``'webcam'``.
            return_datasamples: Whether to return MMPose's data samples instead of dicts.
            batch_size: It is there for calls written for MMPose, which takes image by image
                whatever it says. Only 1 is allowed.
            out_dir: Folder for images and JSON files, named as the images that they are of;
                where several have one name, with a number.
            bbox_thr: People of a lower score are left out, from this call on. By default 0.2.
            nms_thr: Whoever has a higher OKS than this with someone of higher score is left out,
                from this call on; None keeps all. By default 0.9.
            **kwargs: Others as for ``MMPoseInferencer``, without those that only concern detectors
                and tracking.

        Raises:
            FileNotFoundError: If there are no images in a folder.
            TypeError: If an argument is unknown or has no effect here, or an image is neither
                path, address nor array.
            ValueError: If a threshold is out of its range, the batch size is not 1, an array is
                not of uint8, or a folder or video is in a list.
        """
        _check_arguments(kwargs)
        if batch_size != 1:
            raise ValueError(
                f"`batch_size` is {batch_size}, but the inferencer takes image by image. Leave "
                "it out, or use `tools/predict.py`, which puts images of a size together."
            )
        self._options = replace(self._options, **_check_thresholds(bbox_thr, nms_thr))
        writes = bool(out_dir or kwargs.get("vis_out_dir") or kwargs.get("pred_out_dir"))
        call = _Call(self._options, is_folder(inputs), writes)
        self.unreadable = call.unreadable
        arguments = (as_mmpose_takes_it(inputs), return_datasamples, batch_size, out_dir)
        return self._results(call, super().__call__(*arguments, **kwargs), kwargs)

    def _results(
        self, call: _Call, results: Iterator[dict[str, Any]], kwargs: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """The results of a call, whatever others are taken in between, also by other threads."""
        while True:
            # what a call asks for is state of the model, the visualizer and this object
            with self._lock:
                self._call = call
                self.inferencer.model.head.decoder.decode_options = call.options
                self.inferencer.update_model_visualizer_settings(**kwargs)
                # whoever is a result is drawn
                if isinstance(self.inferencer.visualizer, BottomupVisualizer):
                    self.inferencer.visualizer.person_thr = call.options.min_score
                result = next(results, None)
            if result is None:
                return
            yield result

    def preprocess(self, inputs: Any, batch_size: int = 1, **kwargs: Any) -> Iterator[Any]:
        """As in MMPose; images of a folder that can't be read are left out and named."""
        call = self._call
        if not call.skips_unreadable:
            prepared_inputs = super().preprocess(inputs, batch_size, **kwargs)
            for self._frame_id, prepared in enumerate(prepared_inputs):
                yield prepared
            return
        for path in inputs:
            try:
                prepared = list(super().preprocess([path], batch_size, **kwargs))
            except Exception as error:  # readers of images raise errors of many kinds
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                call.unreadable[path] = reason
                print_log(f"'{path}' is left out: {reason}", logger="current", level=30)
                continue
            yield from prepared

    def forward(self, inputs: Any, **forward_kwargs: Any) -> list[Any]:
        """As in MMPose; images that have no file get numbers for names, over all calls."""
        samples: list[Any] = super().forward(inputs, **forward_kwargs)
        for sample in samples:
            if not Path(sample.img_path).is_file():
                sample.set_metainfo(dict(img_path=f"{self._num_arrays:06d}.jpg"))
                self._num_arrays += 1
        self._call.files = [sample.img_path for sample in samples]
        if self._call.writes:
            # MMPose writes files by these names
            for sample, file in zip(samples, self._call.files):
                name = self._call.unique(Path(file).name)
                sample.set_metainfo(dict(img_path=str(Path(file).with_name(name))))
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
        result["files"] = self._call.files
        if self._video_input:
            result["frame_id"] = self._frame_id
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
