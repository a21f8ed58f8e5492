"""MMPose's inferencer for applications."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import mmengine
from mmengine.logging import print_log
from mmengine.registry import FUNCTIONS, Registry
from mmpose.apis import MMPoseInferencer, Pose2DInferencer

from ..checkpoints.model_zoo import weights_for
from ..images.video import Video
from ..utils.arguments import did_you_mean
from ..utils.config_files import find_config
from ..utils.errors import reason_of
from ..utils.files import UniqueNames
from ..visualization.bottomup_visualizer import BottomupVisualizer
from .application_decoding import gives_widths, reads_for_applications
from .inputs import is_folder, open_inputs

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
                f"The inferencer has no argument `{name}`.{did_you_mean(name, sorted(known))}"
            )


class BottomupInferencer(MMPoseInferencer):
    """``MMPoseInferencer`` for this package's configs, as applications want it.

    People are read with :data:`swahr_mmpose.decoding.APPLICATION_OPTIONS`: those of a low score,
    and people found twice, are left out.

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
        flip_test: Whether to average with the mirrored image, which takes twice as long; None: as
            the config says.
        widths: Whether results, also the JSON files, have ``keypoint_widths``: the standard
            deviations that the scale branch predicts, in pixels of the image.

    Raises:
        FileNotFoundError: If there is no such config.
        TypeError: If ``decode`` names an unknown option.
        ValueError: If no weights are given, and there are none for this config; an option of
            ``decode`` is out of its range; the config has another codec; or widths are wanted
            and the checkpoint has no scale branch.
        DownloadError: If the weights can't be fetched.

    Examples:
        >>> import contextlib, sys
        >>> from swahr_mmpose.synthetic import SyntheticOptions, generate_image
        >>> with contextlib.redirect_stdout(sys.stderr):  # where MMEngine logs
        ...     inferencer = BottomupInferencer("swahr_tiny_synthetic", device="cpu")
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
        flip_test: bool | None = None,
        widths: bool = False,
    ) -> None:
        # MMEngine looks for functions in MMPose's scope, which has none, and warns each time
        if "mmpose" not in FUNCTIONS.children:
            Registry("function", parent=FUNCTIONS, scope="mmpose")
        path = find_config(config)
        super().__init__(
            str(path),
            weights_for(path) if weights is None else str(weights),
            device=device,
            show_progress=show_progress,
        )
        model = self.inferencer.model
        reads_for_applications(model, decode)
        if flip_test is not None:
            model.test_cfg["flip_test"] = flip_test
        if widths:
            gives_widths(model)
        self.unreadable: dict[str, str] = {}
        self._options = model.head.decoder.decode_options
        self._numbers = itertools.count()
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
            inputs: An image, as path, web address, array (H, W, 3) uint8 in BGR or Pillow's; a
                list, iterator or glob of images; a folder of images, of which those that can't be
                used are left out with a warning; a video, as path or address, also of a stream
                (``rtsp://…``); or a camera, ``'webcam'``, ``'webcam:1'`` or its number.
            return_datasamples: Whether to return MMPose's data samples instead of dicts.
            batch_size: For calls written for MMPose, which runs image by image whatever it
                says. Must be 1.
            out_dir: Folder for images and JSON files, named as the images that they are of;
                where several have one name, with a number. It must not be the images' own.
            bbox_thr: People of a lower score are left out. None: of ``decode``, by default 0.2.
            nms_thr: Whoever has a higher OKS than this with someone of higher score is left out;
                None keeps all. By default that of ``decode``, else 0.9.
            **kwargs: Others as for ``MMPoseInferencer``, without those that only concern detectors
                and tracking. ``return_vis`` gives RGB images, as in MMPose.

        Raises:
            FileNotFoundError: If there are no images in a folder, or no such file.
            TypeError: If an argument is unknown or has no effect here.
            ValueError: If a threshold is out of its range, the batch size is not 1, an image or
                video can't be used, a folder or video is in a list, or results could replace what
                is read.
        """
        _check_arguments(kwargs)
        if batch_size != 1:
            raise ValueError(
                f"`batch_size` is {batch_size}, but the inferencer takes image by image. Leave "
                "it out, or use `swahr predict`, which puts images of a size together."
            )
        thresholds: dict[str, Any] = {} if bbox_thr is None else dict(min_score=bbox_thr)
        if nms_thr != "unchanged":
            thresholds["pose_nms_thr"] = nms_thr
        # what a call asks for, and its video, are attributes of a copy: calls may take turns
        call = copy(self)
        call.inferencer = copy(self.inferencer)
        call.unreadable = self.unreadable = {}
        try:
            call._options = replace(self._options, **thresholds)
        except ValueError as error:
            names = str(error).replace("`min_score`", "`bbox_thr`")
            raise ValueError(names.replace("`pose_nms_thr`", "`nms_thr`")) from None
        call._skips_unreadable = is_folder(inputs)
        call._pose_based_nms = kwargs.get("pose_based_nms", False)
        if out_dir:
            folders = dict(vis_out_dir="visualizations", pred_out_dir="predictions")
            kwargs = {**{key: f"{out_dir}/{name}" for key, name in folders.items()}, **kwargs}
        outputs = [kwargs[key] for key in ("vis_out_dir", "pred_out_dir") if kwargs.get(key)]
        call._unique = UniqueNames() if outputs else None
        opened = open_inputs(inputs, outputs)
        # MMPose would open inputs by the names of files
        call.inferencer._inputs_to_list = lambda inputs: inputs
        call.inferencer._video_input = isinstance(opened, Video)
        if isinstance(opened, Video):
            vis_out_dir = kwargs.get("vis_out_dir") or ""
            if Path(vis_out_dir).suffix not in ("", ".mp4", ".avi", ".mov", ".mkv"):
                raise ValueError(
                    f"`vis_out_dir` is '{vis_out_dir}', but must be a folder, or an MP4, AVI, MOV "
                    "or MKV file, such as 'drawn.mp4'."
                )
            name = f"{Path(opened.name).stem}.mp4"
            call.inferencer.video_info = dict(
                name=name, fps=opened.fps, writer=None, output_file=None, predictions=[]
            )
        results = super(BottomupInferencer, call).__call__(
            opened, return_datasamples, batch_size, **kwargs
        )
        return call._results(results, kwargs)

    def _results(
        self, results: Iterator[dict[str, Any]], kwargs: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """The results of a call, whatever others are taken in between, also by other threads."""
        model, visualizer = self.inferencer.model, self.inferencer.visualizer
        decoder = model.head.decoder
        while True:
            # all calls share the model and the visualizer
            with self._lock:
                before = decoder.decode_options, copy(model.test_cfg)
                decoder.decode_options = self._options
                try:
                    self.inferencer.update_model_visualizer_settings(**kwargs)
                    # draw the people in the results, and no one else
                    if isinstance(visualizer, BottomupVisualizer):
                        visualizer.person_thr = self._options.min_score
                    result = next(results, None)
                finally:
                    decoder.decode_options, model.test_cfg = before
                    visualizer.set_dataset_meta(model.dataset_meta)
            if result is None:
                break
            yield result
        if self._video_input and self.video_info["output_file"]:
            Video(self.video_info["output_file"])  # raises an error if it can't be read

    def preprocess(self, inputs: Any, batch_size: int = 1, **kwargs: Any) -> Iterator[Any]:
        """Samples with people; images of a folder that can't be used are left out and named."""
        for self._frame_id, image in enumerate(inputs):
            try:
                ((batch, images),) = super().preprocess([image], batch_size, **kwargs)
                samples = super().forward(batch, pose_based_nms=self._pose_based_nms)
            except Exception as error:  # of reading, of the network, or of memory that runs out
                if not self._skips_unreadable:
                    raise
                reason = self.unreadable[image] = reason_of(error)
                print_log(f"{image!r} is left out: {reason}", logger="current", level=30)
                continue
            yield samples, images

    def forward(self, inputs: Any, **forward_kwargs: Any) -> list[Any]:
        """As in MMPose; images that have no file get numbers for names, over all calls."""
        samples: list[Any] = inputs
        for sample in samples:
            if not Path(sample.img_path).is_file():
                sample.set_metainfo(dict(img_path=f"{next(self._numbers):06d}.jpg"))
        self._files = [sample.img_path for sample in samples]
        if self._unique:
            # MMPose writes files by these names
            for sample, file in zip(samples, self._files):
                name = self._unique(Path(file).name)
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
        """As in MMPose, with ``keypoints_found`` (K,), and widths if wanted, for each person."""
        result = super().postprocess(preds, visualization, return_datasample, return_datasamples)
        result["files"] = self._files
        if self._video_input:
            result["frame_id"] = self._frame_id
        if return_datasample or return_datasamples:
            if not pred_out_dir:
                return result
            people_of_samples = super().postprocess(preds, [])["predictions"]
        else:
            people_of_samples = result["predictions"]
        for people, sample in zip(people_of_samples, preds):
            for name in ("keypoints_found", "keypoint_widths", "keypoint_sigmas"):
                for person, values in zip(people, sample.pred_instances.get(name, [])):
                    person[name] = values.tolist()
            if pred_out_dir:
                self._write(people, sample, Path(pred_out_dir))
        return result

    def _write(self, people: list[dict[str, Any]], sample: Any, folder: Path) -> None:
        if self._video_input:
            # MMPose writes one file for all frames when the video ends
            self.video_info["predictions"].append(people)
        else:
            stem = Path(sample.img_path).stem
            mmengine.dump(people, str(folder / f"{stem}.json"), indent="  ", allow_nan=False)
