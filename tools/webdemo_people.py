"""People for several users of one network at the same time, and what each of them wants drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from swahr_mmpose.apis.inferencer import BottomupInferencer
from swahr_mmpose.apis.prediction import record_of
from swahr_mmpose.images.video import Video
from swahr_mmpose.visualization import (
    draw_map,
    draw_people,
    image_to_map,
)

#: What can be drawn of any network, and what only of one that gives widths.
VIEWS = ("People", "Heatmap", "Tags")
SCALE_VIEWS = ("Keypoint widths", "Scales")

#: The field that each view of a map draws.
_MAPS = {"Heatmap": "heatmaps", "Tags": "tags", "Scales": "scales"}

#: From this OKS on nobody is found twice: it is never higher.
NMS_OFF = 1.0


@dataclass(frozen=True)
class Wish:
    """What a user wants to see.

    Attributes:
        min_score: People of a lower score are left out.
        nms_thr: Whoever has a higher OKS than this with someone of higher score is left out;
            1 keeps all.
        keypoint_thr: Keypoints of a lower score are not drawn.
        view: One of ``PeopleFinder.views``.
    """

    min_score: float = 0.2
    nms_thr: float = 0.9
    keypoint_thr: float = 0.2
    view: str = "People"


class PeopleFinder:
    """A network that several threads may ask; each gets the people of its own image and wish.

    Args:
        inferencer: The network.

    Attributes:
        views: What it can draw.
    """

    def __init__(self, inferencer: BottomupInferencer) -> None:
        self._inferencer = inferencer
        model = inferencer.inferencer.model
        self._skeleton = model.dataset_meta.get("skeleton_links") or ()
        scales = SCALE_VIEWS if model.test_cfg.get("output_scales") else ()
        self.views = (*VIEWS, *scales)

    def find(self, image: np.ndarray, wish: Wish) -> Any:
        """The people in an image and the network's maps, as MMPose's ``PoseDataSample``.

        Args:
            image: (H, W, 3) uint8, BGR.
            wish: Thresholds.

        Raises:
            ValueError: If the image or a threshold can't be used.
        """
        nms_thr = wish.nms_thr if wish.nms_thr < NMS_OFF else None
        (result,) = self._inferencer(
            image,
            bbox_thr=wish.min_score,
            nms_thr=nms_thr,
            return_datasamples=True,
            draw_heatmap=True,  # keeps the maps; nothing is drawn yet
        )
        return result["predictions"][0]

    def draw(self, image: np.ndarray, sample: Any, wish: Wish) -> np.ndarray:
        """An image with what was found in it.

        Args:
            image: (H, W, 3) uint8, BGR.
            sample: Of :meth:`find`.
            wish: Its ``view`` says what is drawn.

        Returns:
            (H, W, 3) uint8, BGR.

        Raises:
            ValueError: If there is no such view.
        """
        if wish.view not in self.views:
            raise ValueError(f"`view` must be one of {', '.join(self.views)}, not '{wish.view}'.")
        people = sample.pred_instances
        found = (people.keypoints, people.keypoint_scores, people.bbox_scores)
        if wish.view in ("People", "Keypoint widths"):
            widths = people.keypoint_widths if wish.view == "Keypoint widths" else None
            return draw_people(
                image, *found, self._skeleton, widths, person_thr=0, keypoint_thr=wish.keypoint_thr
            )
        maps = {name: values.float().cpu().numpy() for name, values in sample.pred_fields.items()}
        to_map = image_to_map(maps["heatmaps"].shape[1:], sample.input_center, sample.input_scale)
        below = np.ascontiguousarray(image[..., ::-1])
        drawn = draw_map(
            _MAPS[wish.view], below, maps, found, to_map, person_thr=0,
            keypoint_thr=wish.keypoint_thr,
        )  # fmt: skip
        return np.ascontiguousarray(drawn[..., ::-1])

    def find_in_video(
        self, source: Path, drawn: Path, wish: Wish, max_frames: int
    ) -> Iterator[dict[str, Any]]:
        """The people in each frame, while a video with them drawn is written.

        Args:
            source: A video.
            drawn: The video to write, ``.webm``, which browsers play.
            wish: What is wanted.
            max_frames: The rest of a longer video is left out.

        Yields:
            For each frame ``frame_id``, from 0, and ``people`` as :func:`record_of` lists them.

        Raises:
            ValueError: If the file is no video.
            OSError: If the video can't be written.
        """
        video = Video(str(source))
        writer = None
        for frame_id, frame in enumerate(itertools.islice(video, max_frames)):
            writer = writer or _webm_writer(drawn, video.fps, frame)
            sample = self.find(frame, wish)
            writer.write(self.draw(frame, sample, wish))
            yield dict(frame_id=frame_id, people=record_of(source.name, sample)["people"])
        writer.release()


def _webm_writer(path: Path, fps: float, frame: np.ndarray) -> cv2.VideoWriter:
    size = (frame.shape[1], frame.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), fps, size)
    if not writer.isOpened():
        raise OSError(f"The video '{path}' can't be written: this OpenCV has no VP8 encoder.")
    return writer
