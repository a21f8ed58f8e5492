"""Finds people in an image with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..decoding import APPLICATION_OPTIONS, boxes_of_keypoints, decode_people, keypoint_widths
from ..decoding.error_bars import ErrorBars
from ..decoding.window import image_window
from ..images.geometry import fixed_geometry, pyramid_geometry, show, to_image, to_three_channels
from ..layout import STRIDES, TEST_SIZE_DIVISOR
from .onnx_settings import OnnxSettings


class OnnxPoseEstimator:
    """Finds people with a network that ``swahr export`` wrote.

    People are read with :data:`swahr_mmpose.decoding.APPLICATION_OPTIONS`, as by
    ``BottomupInferencer``. An estimator may be used by several threads at a time.

    Args:
        path: The ONNX file.
        providers: ONNX Runtime's execution providers, the first that works is used: names, or pairs
            of a name and its options, such as ``("CUDAExecutionProvider", {"device_id": 1})``.
            None: ``CPUExecutionProvider``.
        num_threads: Threads of one network pass on the CPU; None: one per core.
        decode: Arguments of :class:`swahr_mmpose.decoding.DecodeOptions` that are to differ.
        as_config: Whether to read people as the config's test does, for evaluation.

    Attributes:
        settings: What the file says about itself.

    Raises:
        ImportError: If ONNX Runtime is not installed.
        FileNotFoundError: If there is no such file.
        TypeError: If ``decode`` names an unknown option.
        ValueError: If the file can't be read or was not written by this version, its network
            yields other maps than its metadata says, a provider is not there, or a number of
            threads or an option of ``decode`` is out of its range.
    """

    def __init__(
        self,
        path: str | Path,
        providers: Sequence[str | tuple[str, dict[str, Any]]] | None = None,
        num_threads: int | None = None,
        decode: Mapping[str, Any] | None = None,
        as_config: bool = False,
    ) -> None:
        self._session = _session(Path(path), providers or ["CPUExecutionProvider"], num_threads)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.settings = OnnxSettings.from_metadata(metadata, str(path))
        self._outputs = ["heatmaps", "tags", *(["scales"] if self.settings.output_scales else [])]
        options: dict[str, Any] = {**({} if as_config else APPLICATION_OPTIONS), **(decode or {})}
        self._options = replace(self.settings.decode_options, **options)
        self._options.order_for(len(self.settings.keypoints))
        if self._options.pose_nms_thr is not None:
            self._options.sigmas_for(len(self.settings.keypoints))
        self._factor = (1 / np.array(self.settings.std, np.float32)).reshape(3, 1, 1)
        self._offset = -np.array(self.settings.mean, np.float32).reshape(3, 1, 1) * self._factor
        width, height = self.settings.fixed_size or (2 * TEST_SIZE_DIVISOR, TEST_SIZE_DIVISOR)
        try:
            self._maps(np.zeros((1, 3, height, width), np.float32))
        except Exception as error:  # ONNX Runtime raises kinds of its own
            raise ValueError(f"'{path}' can't be run: {error}") from error

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Find the people in an image.

        Args:
            image: (H, W, 3) uint8, BGR as OpenCV reads images; grey images (H, W) and such
                with an alpha channel (H, W, 4) too.

        Returns:
            ``keypoints`` (P, K, 2), x and y in pixels of the image; ``keypoint_scores`` (P, K);
            ``bboxes`` (P, 4), left, top, right and bottom of the boxes around found keypoints;
            ``bbox_scores`` (P,), the people's scores. Where the network yields α also
            ``keypoint_widths`` (P, K), standard deviations in pixels of the image; of a calibrated
            network ``keypoint_sigmas`` (P, K), likewise, 0 where not found. All float32, and
            zeros for missing keypoints. ``keypoints_found`` (P, K) bool, which keypoints are
            neither missing nor filled in.

        Raises:
            ValueError: If it is no such image.
            NotFiniteError: If maps hold NaN or infinity; a ValueError.
        """
        image = to_three_channels(image)
        height, width = image.shape[:2]
        fixed = self.settings.fixed_size
        if fixed:
            geometry = fixed_geometry((width, height), (fixed[0], fixed[1]))
        else:
            geometry = pyramid_geometry((width, height), self.settings.input_size, (1.0,))
        (size,) = geometry.sizes
        planes = self._normalise(show(image, geometry, size))
        maps = self._maps(planes)
        heatmaps, tags = maps[0][0], maps[1][0]
        rows, columns = image_window((width, height), size, geometry.center, geometry.extent)
        tags = tags.reshape(-1, *heatmaps.shape)[..., rows, columns]
        people = decode_people(heatmaps[:, rows, columns], tags, self._options)
        keypoints = people.keypoints + (columns.start, rows.start)
        missing = people.keypoint_scores == 0
        boxes = boxes_of_keypoints(keypoints, people.keypoints_found)
        result = dict(
            keypoints=np.where(missing[..., None], 0, to_image(keypoints, geometry)),
            keypoint_scores=people.keypoint_scores,
            bboxes=to_image(boxes.reshape(-1, 2, 2), geometry).reshape(-1, 4),
            bbox_scores=people.instance_scores,
        )
        if self.settings.output_scales:
            widths = keypoint_widths(keypoints, maps[2][0], size[::-1], self.settings.heatmap_sigma)
            widths *= geometry.extent[0] / size[0]
            result["keypoint_widths"] = np.where(missing, 0, widths)
        if self.settings.error_bars:
            sigmas = ErrorBars(**self.settings.error_bars).keypoint_sigmas(keypoints, heatmaps)
            sigmas *= geometry.extent[0] / size[0]
            result["keypoint_sigmas"] = np.where(people.keypoints_found, sigmas, 0)
        result = {name: value.astype(np.float32) for name, value in result.items()}
        return dict(result, keypoints_found=people.keypoints_found)

    def _maps(self, planes: np.ndarray) -> Any:
        """The network's maps of a batch (1, 3, H, W); a ValueError if they are not as it says."""
        maps = self._session.run(self._outputs, {"images": planes})
        k, (height, width) = len(self.settings.keypoints), planes.shape[2:]
        num_tags = max(1, maps[1].shape[1] // k) * k
        fine = height // STRIDES[-1], width // STRIDES[-1]
        shapes = (1, k, height, width), (1, num_tags, height, width), (1, k, *fine)
        for name, own, shape in zip(self._outputs, maps, shapes):
            if own.shape != shape or own.dtype != np.float32:
                raise ValueError(
                    f"The network's {name} are {own.dtype} of shape {own.shape}, and not float32 "
                    f"of shape {shape} as its metadata says. Export it again."
                )
        return maps

    def _normalise(self, image: np.ndarray) -> np.ndarray:
        """A batch (1, 3, H, W), red, green, blue, of an input (H, W, 3)."""
        planes = np.empty((1, 3, *image.shape[:2]), np.float32)
        np.multiply(image[..., ::-1].transpose(2, 0, 1), self._factor, out=planes[0])
        planes[0] += self._offset
        return planes


def _session(path: Path, providers: Sequence[Any], num_threads: int | None) -> Any:
    """ONNX Runtime's session for a file."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "ONNX Runtime is not installed. Run: pip install 'swahr_mmpose[onnx]'"
        ) from error
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    # of what it does not know, ONNX Runtime itself only warns, and goes on with the CPU
    known = onnxruntime.get_available_providers()
    names = [own[0] if isinstance(own, tuple) and len(own) == 2 else own for own in providers]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"ONNX Runtime has no provider {unknown[0]!r}. `providers` is a list of names, or of "
            f"tuples of a name and a dict of options, and may name {known}. CUDA's comes with "
            "onnxruntime-gpu."
        )
    options = onnxruntime.SessionOptions()
    # sizes change from image to image, and arenas keep the largest of each
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    if num_threads is not None:
        if not isinstance(num_threads, int) or num_threads < 1:
            raise ValueError(f"`num_threads` must be a whole number above 0, not {num_threads!r}.")
        options.intra_op_num_threads = num_threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # on bytes that are no network it raises kinds of its own
        raise ValueError(
            f"'{path}' can't be read as an ONNX network: {str(error).splitlines()[0]}"
        ) from error
