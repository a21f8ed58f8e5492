"""Rows of `tools/benchmark.py` about ONNX Runtime, and about many images to a file."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import torch
from mmpose.apis import MMPoseInferencer, inference_bottomup, init_model

import swahr_mmpose
from swahr_mmpose.apis.application_decoding import reads_for_applications
from swahr_mmpose.apis.image_stream import find_images
from swahr_mmpose.apis.prediction import predict_images
from swahr_mmpose.apis.results_file import Output
from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.export.onnx import export_onnx
from swahr_mmpose.runtime import OnnxPoseEstimator
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

from .row import Row

TINY = "swahr_tiny_synthetic"


def onnx_rows(device: str) -> Iterator[Row]:
    """Images in memory to people, one at a time: ONNX Runtime and PyTorch on the CPU."""
    del device
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = [cv2.imread(str(path)) for path in drawn_images(folder, 12)]
        wide = folder / "w32.pth"
        config = str(swahr_mmpose.config_path("swahr_hrnet_w32_coco"))
        torch.save(dict(state_dict=init_model(config, device="cpu").state_dict()), wide)
        for what, config_name, weights, some in (
            ("tiny network", TINY, weights_of(TINY), images),
            ("W32, 512, random weights", "swahr_hrnet_w32_coco", str(wide), images[:2]),
        ):
            model = init_model(str(swahr_mmpose.config_path(config_name)), weights, device="cpu")
            export_onnx(config_name, weights, folder / "network.onnx")
            estimator = OnnxPoseEstimator(folder / "network.onnx", as_config=True)

            def by_onnx(estimator: Any = estimator, some: Any = some) -> None:
                for image in some:
                    estimator(image)

            def by_pytorch(model: Any = model, some: Any = some) -> None:
                for image in some:
                    inference_bottomup(model, image)

            title = f"people by ONNX Runtime, {what}"
            yield Row(title, by_onnx, by_pytorch, "PyTorch, inference_bottomup", len(some))


def predict_rows(device: str) -> Iterator[Row]:
    """A folder of drawn images to a file of results, the tiny network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = drawn_images(folder, 64)
        config, weights = str(swahr_mmpose.config_path(TINY)), weights_of(TINY)
        as_config, model = (init_model(config, weights, device=device) for _ in range(2))
        reads_for_applications(model)
        inferencer = MMPoseInferencer(pose2d=config, pose2d_weights=weights, device=device)
        images = find_images(str(paths[0].parent))

        def by_tool(model: Any) -> None:
            with tempfile.TemporaryDirectory() as out:
                output = Output(Path(out) / "results.jsonl")
                predict_images(model, images, output)

        def by_inferencer() -> None:
            quiet = contextlib.redirect_stdout(io.StringIO())
            with tempfile.TemporaryDirectory() as out, quiet:
                for _ in inferencer(str(paths[0].parent), pred_out_dir=out):
                    pass

        for what, own in (("", model), (", people as the config's test finds them", as_config)):
            yield Row(
                f"predict.py, a folder of 64 images, tiny network{what}",
                lambda own=own: by_tool(own),  # type: ignore[misc]
                by_inferencer,
                "MMPoseInferencer in a loop",
                len(paths),
            )


def drawn_images(folder: Path, count: int) -> list[Path]:
    """Files of drawn images."""
    generate_dataset(folder, "drawn", SyntheticOptions(num_images=count, seed=5))
    return sorted((folder / "images" / "drawn").iterdir())
