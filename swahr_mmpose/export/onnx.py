"""A trained network as an ONNX file: both passes, aggregation, and all that decoding needs."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmpose.apis import init_model
from torch import Tensor, nn

from ..layout import TEST_SIZE_DIVISOR
from ..models.aggregation import aggregate_maps
from ..runtime.onnx_settings import OnnxSettings
from ..utils.arguments import short_side
from ..utils.config_files import read_config
from ..utils.files import check_destination

#: The largest difference from PyTorch in units of the largest value of a map (at least 1).
TOLERANCE = 1e-4

#: Runs everywhere that matters today, and the first of the `torch.export`-based exporter.
OPSET = 18

#: Since this version of torch its exporter takes sizes that are multiples of a number.
_DYNAMO_SINCE = (2, 6)

OUTPUTS = ("heatmaps", "tags", "scales")


class ExportError(RuntimeError):
    """A network that can't be exported; the message says why and what to do."""


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Attributes:
        settings: What the file says about itself.
        differences: From PyTorch, by input: for each map the largest, in units of the map's
            largest value (at least 1).
    """

    settings: OnnxSettings
    differences: dict[str, dict[str, float]]


class ExportedNetwork(nn.Module):
    """The network with its mirrored pass and the aggregation of maps, as one function.

    In half precision (``.half()``) inputs and outputs are float32 all the same.

    Args:
        model: The estimator.
        settings: Which passes and maps are wanted.
    """

    def __init__(self, model: Any, settings: OnnxSettings) -> None:
        super().__init__()
        self.model = model
        self.flip = settings.flip_test
        self.with_scales = settings.output_scales
        self.flip_indices = [int(k) for k in model.dataset_meta["flip_indices"]]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Aggregated maps of a batch.

        Args:
            images: (B, 3, H, W) float32, red, green, blue, normalised.

        Returns:
            Heatmaps (B, K, H, W), tags (B, L·K, H, W) and, with scales, α (B, K, H/2, W/2).
        """
        inputs = images.to(next(self.model.parameters()).dtype)
        passes = [inputs, inputs.flip(-1)] if self.flip else [inputs]
        outputs = [
            self.model.head.predict_maps(self.model.extract_feat(own), self.with_scales)
            for own in passes
        ]
        size = (images.shape[2], images.shape[3])
        maps = aggregate_maps([outputs], size, self.flip_indices)
        found = maps.heatmaps, maps.tags
        return found if maps.scales is None else (*found, maps.scales.float())


def export_onnx(
    config: str | Path,
    checkpoint: str,
    destination: Path,
    flip: bool | None = None,
    size: tuple[int, int] | None = None,
    half: bool = False,
    widths: bool = False,
    progress: Callable[[str], object] = lambda _: None,
) -> Exported:
    """Write the network of a config and a checkpoint to an ONNX file, and check it.

    Args:
        config: Name of one of this package's configs, or path of a config.
        checkpoint: Path or address.
        destination: The file to write.
        flip: Whether to run on the mirrored image too; None: as ``test_cfg`` says.
        size: (w, h) of the input, multiples of 64 up to 4096; None: any, and any batch.
        half: Whether to compute in half precision.
        widths: Whether the network gives α too, for ``keypoint_widths``.
        progress: Called with what is done next, before each long step.

    Raises:
        FileNotFoundError: If there is no such config, or no folder to write to.
        ValueError: If the config or the size can't be used, or the file would replace what is
            read.
        ExportError: If something is not installed, the checkpoint can't be used, the config tests
            at several scales, or the network differs from PyTorch's by more than ``TOLERANCE``
            (half precision: is not finite). There is no file then.
    """
    runtime = _import("onnxruntime")
    _import("onnx")
    check_destination(destination, Path(checkpoint), Path(config))
    progress("Reading the network …")
    model = _load(config, checkpoint)
    settings = _settings(model, flip, size, half, widths)
    network = ExportedNetwork(model, settings).eval()
    inputs = _inputs(settings)
    with torch.no_grad():
        expected = {name: network(images) for name, images in inputs.items()}
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        file = Path(folder) / destination.name
        progress("Exporting, which takes about a minute …")
        settings = _write(network.half() if half else network, file, settings)
        progress("Comparing with PyTorch …")
        session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        differences = {
            name: _differences(session, images, expected[name]) for name, images in inputs.items()
        }
        # NumPy's maximum keeps NaN
        worst = np.max([list(own.values()) for own in differences.values()])
        limit = float("inf") if half else TOLERANCE
        if not worst < limit:
            raise ExportError(
                f"The exported network differs from PyTorch's by {worst:.1e} of the maps' largest "
                f"values, and {limit:.0e} is allowed: {differences}. Nothing was written."
            )
        os.replace(file, destination)
    return Exported(settings, differences)


def _import(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise ExportError(
            f"{name} is not installed. Run: pip install 'swahr_mmpose[export]'"
        ) from error


def _load(config: str | Path, checkpoint: str) -> Any:
    """The estimator, with its weights."""
    needed = ("model.backbone", "model.data_preprocessor", "test_dataloader.dataset.pipeline")
    content = read_config(config, *needed)
    try:
        return init_model(content, checkpoint, device="cpu")
    except Exception as error:  # networks raise errors of many kinds
        raise ExportError(
            f"'{checkpoint}' can't be loaded into the network of '{config}': {error}"
        ) from error


def _settings(
    model: Any, flip: bool | None, size: tuple[int, int] | None, half: bool, widths: bool
) -> OnnxSettings:
    """What is written into the file; exporter and opset are added when it is written."""
    resize = [
        step for step in model.cfg.test_dataloader.dataset.pipeline if "PyramidResize" in step.type
    ]
    if not resize:
        raise ExportError(
            "The config's test pipeline has no `BottomupPyramidResize`, so that the input's size "
            "is not known. Use it in place of `BottomupResize`."
        )
    scales = resize[0].get("scales", (1.0,))
    if tuple(scales) != (1.0,):
        raise ExportError(
            f"The config tests at the scales {tuple(scales)}. One scale can be exported: use the "
            "config without `_multiscale`."
        )
    if not model.cfg.model.data_preprocessor.get("bgr_to_rgb", False):
        raise ExportError(
            "The config's `data_preprocessor` does not set `bgr_to_rgb=True`. Exported networks "
            "take red, green, blue."
        )
    meta, codec = model.dataset_meta, model.head.decoder
    options = codec.decode_options
    order = options.order_for(meta["num_keypoints"])
    normalise = model.data_preprocessor
    flips = bool(model.test_cfg.get("flip_test", False) if flip is None else flip)
    bars = meta.get("error_bars")
    return OnnxSettings(
        keypoints=[meta["keypoint_id2name"][k] for k in range(meta["num_keypoints"])],
        skeleton=[[int(a), int(b)] for a, b in meta["skeleton_links"]],
        flip_pairs=sorted([k, int(m)] for k, m in enumerate(meta["flip_indices"]) if k < m),
        mean=[float(value) for value in normalise.mean.flatten()],
        std=[float(value) for value in normalise.std.flatten()],
        input_size=short_side(resize[0].input_size),
        fixed_size=None if size is None else list(size),
        heatmap_sigma=codec.sigma,
        decode=dict(
            vars(options),
            keypoint_order=[int(k) for k in order],
            keypoint_sigmas=[float(sigma) for sigma in meta["sigmas"]],
        ),
        flip_test=flips,
        output_scales=bool(widths or model.test_cfg.get("output_scales", False)),
        half=half,
        opset=OPSET,
        exporter="",
        error_bars=bars if bars and bars["flip_test"] == flips else None,
    )


def _inputs(settings: OnnxSettings) -> dict[str, Tensor]:
    """Noise, two at a time where any batch will do, and smooth noise as large as test images.

    On these the maps differ from PyTorch's as much as on images: by 1e-7 of their largest values.
    """
    random = torch.Generator().manual_seed(0)
    width, height = settings.fixed_size or (
        settings.input_size + TEST_SIZE_DIVISOR,
        settings.input_size,
    )
    coarse = torch.randn(1, 3, height // 16, width // 16, generator=random)
    return {
        "noise": torch.randn(_example_shape(settings), generator=random),
        "smooth noise": F.interpolate(coarse, (height, width), mode="bicubic"),
    }


def _example_shape(settings: OnnxSettings) -> tuple[int, int, int, int]:
    """(B, 3, H, W) of the one input that is taken, or of a small one."""
    if settings.fixed_size is None:
        return 2, 3, 128, 192
    width, height = settings.fixed_size
    return 1, 3, height, width


def _differences(session: Any, images: Tensor, expected: Sequence[Tensor]) -> dict[str, float]:
    """For each map the largest difference, in units of its largest value (at least 1)."""
    outputs = session.run(None, {"images": images.numpy()})
    return {
        name: float(np.abs(own - other.numpy()).max() / max(1.0, float(other.abs().max())))
        for name, own, other in zip(OUTPUTS, outputs, expected)
    }


def _write(network: ExportedNetwork, file: Path, settings: OnnxSettings) -> OnnxSettings:
    """Write the file with its metadata; the settings are given back with the exporter's name."""
    import onnx

    names = list(OUTPUTS[: 3 if settings.output_scales else 2])
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    dynamo = version >= _DYNAMO_SINCE
    exporter = "torch.export" if dynamo else "TorchScript"
    settings = replace(settings, exporter=f"{exporter}, torch {torch.__version__}")
    example = torch.randn(_example_shape(settings))
    write = _write_with_dynamo if dynamo else _write_with_torchscript
    with torch.no_grad(), warnings.catch_warnings():
        # of torch about its own workings
        warnings.simplefilter("ignore")
        write(network, example, file, names, settings.fixed_size is None)
    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, settings.to_metadata())
    onnx.save(model, str(file))
    return settings


def _write_with_dynamo(
    network: nn.Module, example: Tensor, file: Path, names: list[str], dynamic: bool
) -> None:
    """By the exporter that is based on ``torch.export``."""
    _import("onnxscript")
    shapes = None
    if dynamic:
        batch, height, width = (
            torch.export.Dim(name, min=1, max=1024) for name in ("batch", "rows", "columns")
        )
        step = TEST_SIZE_DIVISOR
        shapes = ({0: batch, 2: step * height, 3: step * width},)
    # it prints its progress
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(
            network,
            (example,),
            str(file),
            dynamo=True,
            external_data=False,
            dynamic_shapes=shapes,
            input_names=["images"],
            output_names=names,
            opset_version=OPSET,
        )


def _write_with_torchscript(
    network: nn.Module, example: Tensor, file: Path, names: list[str], dynamic: bool
) -> None:
    """By the exporter of older versions, which traces."""
    axes = {name: {0: "batch", 2: f"{name}_height", 3: f"{name}_width"} for name in names}
    axes["images"] = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        network,
        (example,),
        str(file),
        dynamic_axes=axes if dynamic else None,
        input_names=["images"],
        output_names=names,
        opset_version=17,
    )
