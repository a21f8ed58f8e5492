"""A page in the browser to try a network in: drop an image or a short video, or use the webcam.

Images go to this program and nowhere else, and what it writes is removed when it ends. Only this
machine can open the page, unless --host says otherwise; whoever can open it can use it.

Exits with 0 when it is stopped (Ctrl+C).
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command_line
import numpy as np
from webdemo_people import NMS_OFF, PeopleFinder, Wish

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.apis.prediction import record_of
from swahr_mmpose.images.files import ImageError, read_image

INTRODUCTION = """# Find people

`{network}` on `{device}`. What you drop here is looked at by the machine that serves this page, and
goes nowhere else."""

JSON_LABEL = "People as JSON"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument(
        "--config",
        default="swahr_tiny_synthetic",
        help="a config's path, or one of our names (default: %(default)s, which knows drawn people "
        "only)",
    )
    parser.add_argument(
        "--checkpoint", help="path or address of weights; by default those known for the config"
    )
    parser.add_argument(
        "--device", default="cpu", help="such as cpu or cuda:0 (default: %(default)s)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to serve at; 0.0.0.0: all (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=int, default=7860, help="where to serve (default: %(default)s)"
    )
    parser.add_argument(
        "--max-frames", type=int, default=300, help="most frames of a video (default: %(default)s)"
    )
    parser.add_argument(
        "--widths", action="store_true", help="show the widths that a scale branch predicts too"
    )
    args = parser.parse_args(argv)
    if args.max_frames < 1:
        parser.error(f"--max-frames must be at least 1, but is {args.max_frames}")
    return args


def count_of(people: list[Any]) -> str:
    """How many there are, in words."""
    return "1 person" if len(people) == 1 else f"{len(people)} people"


def write_json(record: dict[str, Any]) -> str:
    """Path of a new file with a record."""
    path = Path(tempfile.mkdtemp()) / "people.json"
    path.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    return str(path)


def look_at_image(finder: PeopleFinder, image: np.ndarray, wish: Wish) -> tuple[Any, str, str]:
    """The image (H, W, 3), red, green, blue, drawn; a line about it; and a file of its people."""
    bgr = np.ascontiguousarray(image[..., ::-1])
    sample = finder.find(bgr, wish)
    record = record_of("image", sample)
    drawn = finder.draw(bgr, sample, wish)[..., ::-1]
    return drawn, f"**{count_of(record['people'])}**", write_json(record)


def look_at_video(
    finder: PeopleFinder, source: str, wish: Wish, max_frames: int
) -> Iterator[tuple[str | None, str, str | None]]:
    """Path of the drawn video, a line about it, and a file of its people: None until the end."""
    drawn = Path(tempfile.mkdtemp()) / "people.webm"
    frames = []
    for frame in finder.find_in_video(Path(source), drawn, wish, max_frames):
        frames.append(frame)
        yield None, f"{len(frames)} frames…", None
    most = max(frames, key=lambda frame: len(frame["people"]))
    line = f"**At most {count_of(most['people'])}** in {len(frames)} frames."
    if len(frames) == max_frames:
        line += f" Longer videos are cut off there (`--max-frames {max_frames}`)."
    yield str(drawn), line, write_json(dict(file=Path(source).name, frames=frames))


def image_input(**options: Any) -> Any:
    """A ``gradio.Image`` whose files are read as all others are, and that says what is wrong."""
    import gradio as gr

    image = gr.Image(type="numpy", **options)

    def read_or_say(payload: Any) -> Any:
        try:
            return None if payload is None else read_image(payload.path)[..., ::-1]
        except ImageError as error:
            raise gr.Error(str(error), print_exception=False) from error

    # Gradio writes a file beside the source for each class that is made of one of its own
    image.preprocess = read_or_say
    return image


def actions(finder: PeopleFinder, max_frames: int) -> tuple[Any, Any]:
    """What the page does with an image, and with a video."""
    import gradio as gr

    # on the page, not in the terminal
    shown = functools.partial(gr.Error, print_exception=False)

    def downloadable(path: str | None) -> Any:
        return gr.DownloadButton(JSON_LABEL, value=path, interactive=path is not None)

    def find_in_image(image: np.ndarray | None, *wish: Any) -> Any:
        if image is None:
            return None, "", downloadable(None)
        try:
            drawn, line, path = look_at_image(finder, image, Wish(*wish))
        except ValueError as error:
            raise shown(str(error)) from error
        return drawn, line, downloadable(path)

    def find_in_video(source: str | None, *wish: Any) -> Iterator[Any]:
        if source is None:
            raise shown("Drop a video first.")
        try:
            for drawn, line, path in look_at_video(finder, source, Wish(*wish), max_frames):
                yield drawn, line, downloadable(path)
        except (OSError, ValueError) as error:
            raise shown(str(error)) from error

    return find_in_image, find_in_video


def build_page(finder: PeopleFinder, introduction: str, max_frames: int) -> Any:
    """The page, as ``gradio.Blocks``."""
    import gradio as gr

    find_in_image, find_in_video = actions(finder, max_frames)
    page = gr.Blocks(title="Find people", analytics_enabled=False, delete_cache=(600, 3600))
    slider = functools.partial(gr.Slider, step=0.01, min_width=200)
    with page:
        gr.Markdown(introduction)
        with gr.Row():
            wish = [
                slider(0, 0.95, 0.2, label="Least person score", elem_id="min_score"),
                slider(0.05, NMS_OFF, 0.9, label="Pose NMS (OKS; 1: off)", elem_id="nms_thr"),
                slider(0, 0.95, 0.2, label="Least keypoint score", elem_id="keypoint_thr"),
            ]
        wish.append(gr.Radio(list(finder.views), value=finder.views[0], label="Show"))
        with gr.Tab("Image"), gr.Row():
            image = image_input(label="Image", elem_id="image", buttons=[])
            with gr.Column():
                drawn = gr.Image(
                    label="Result",
                    elem_id="drawn",
                    format="png",
                    buttons=["download", "fullscreen"],
                )
                line = gr.Markdown(elem_id="line")
                people = gr.DownloadButton(JSON_LABEL, interactive=False, elem_id="json")
        with gr.Tab("Video"), gr.Row():
            with gr.Column():
                video = gr.Video(label="Video", elem_id="video", buttons=[])
                start = gr.Button("Find people", variant="primary", elem_id="start")
            with gr.Column():
                drawn_video = gr.Video(label="Result", elem_id="drawn_video", buttons=[])
                video_line = gr.Markdown(elem_id="video_line")
                frames = gr.DownloadButton(JSON_LABEL, interactive=False, elem_id="video_json")
        gr.on(
            [image.change, *(one.change for one in wish)],
            find_in_image,
            [image, *wish],
            [drawn, line, people],
            # while a slider is drawn, its last place counts
            trigger_mode="always_last",
            show_progress="minimal",
            api_visibility="private",
        )
        start.click(
            find_in_video,
            [video, *wish],
            [drawn_video, video_line, frames],
            show_progress="hidden",
            api_visibility="private",
        )
    return page


def check_port(host: str, port: int) -> None:
    """Raise an OSError if the page can't be served there, before the network is loaded."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except (OSError, OverflowError) as error:
            raise OSError(
                f"The page can't be served at {host}, port {port}: {error}. Name others with "
                "--host and --port."
            ) from error


def serve(page: Any, host: str, port: int) -> None:
    """Serve the page until the program is interrupted."""
    # videos take turns frame by frame
    page.queue(default_concurrency_limit=8)
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        show_error=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        run_history=False,
        footer_links=[],
        max_file_size="100mb",
    )
    print(f"The page is at http://{host}:{port}. Ctrl+C stops it.", flush=True)
    page.block_thread()


def serve_from(folder: str, args: argparse.Namespace, finder: PeopleFinder) -> None:
    """Serve; all that is written goes into a folder."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tempfile.tempdir = folder
    os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False")
    introduction = INTRODUCTION.format(network=Path(args.config).stem, device=args.device)
    serve(build_page(finder, introduction, args.max_frames), args.host, args.port)


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Serve until it is stopped."""
    args = parse_args(argv)
    if importlib.util.find_spec("gradio") is None:
        raise RuntimeError("Install Gradio: pip install 'swahr_mmpose[demo]'")
    check_port(args.host, args.port)
    finder = PeopleFinder(
        BottomupInferencer(args.config, args.checkpoint, device=args.device, widths=args.widths)
    )
    with tempfile.TemporaryDirectory(prefix="swahr_webdemo_") as folder:
        serve_from(folder, args, finder)


if __name__ == "__main__":
    sys.exit(main())
