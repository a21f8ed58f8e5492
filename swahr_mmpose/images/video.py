"""Opens videos by their content, streams and cameras (NumPy and OpenCV).

FFmpeg also reads playlists and session descriptions: text that makes it open whatever it names.
Only what begins as a container of frames does reaches it.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import cv2
import numpy as np

from .files import ImageError, check_pixels

#: Protocols of streams, whatever they bring.
_STREAMS = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "tcp", "srt"})

#: How containers begin: MP4, MOV, MPEG; Matroska, WebM; AVI; FLV; Ogg; ASF; cameras; MPEG-TS.
_CONTAINER = re.compile(
    rb"\0|\x1aE\xdf\xa3|RIFF.{4}AVI |FLV\x01|OggS|0&\xb2u\x8ef\xcf\x11|--|(.{4})?G.{187}(.{4})?G",
    re.DOTALL,
)


def is_video(source: str) -> bool:
    """Whether this is a stream's address, or what a file or web address holds begins as a video.

    Raises:
        ImageError: If it can't be opened.
    """
    scheme = urlsplit(source).scheme
    is_web = scheme in ("http", "https")
    # OpenCV knows images better: JPEG 2000 begins as MP4 does
    if not is_web and (not os.path.isfile(source) or cv2.haveImageReader(source)):
        return scheme in _STREAMS
    try:
        with urlopen(source, timeout=30) if is_web else open(source, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ImageError(f"'{source}' can't be opened: {error}.") from error
    # a line of text before the first NUL can make it a session description
    text, nul, _ = head.partition(b"\0")
    return bool(nul and _CONTAINER.match(head) and b"c=IN IP" not in text)


class Video:
    """The frames of a video, stream or camera, (H, W, 3) uint8, BGR, in order and once.

    Args:
        source: Path, address, or a camera's number.

    Attributes:
        name: File name for results.
        fps: Frames per second; 25 where it says none, or nonsense.

    Raises:
        ImageError: If it can't be opened, is no video that OpenCV reads, or is too large.
    """

    def __init__(self, source: str | int) -> None:
        self.name, target, backend = "webcam.mp4", source, cv2.CAP_ANY
        if isinstance(source, str):
            if not is_video(source):
                raise ImageError(
                    f"'{source}' is neither an image nor a video that OpenCV reads: it is empty, "
                    "damaged, or text such as a playlist. Give the image or video itself."
                )
            # an absolute path is never taken for a protocol
            target = source if "://" in source else os.path.abspath(source)
            self.name = Path(urlsplit(source).path if "://" in source else source).name or "stream"
            backend = cv2.CAP_FFMPEG
        self._capture = cv2.VideoCapture(target, backend)
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        check_pixels(self.name, *(int(self._capture.get(side)) for side in sides))
        self._is_read, self._frame = self._capture.read()
        if not self._is_read:
            what = f"Camera {source}" if isinstance(source, int) else f"The video '{source}'"
            raise ImageError(f"{what} gives no image. Is it damaged, in use, or switched off?")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 240 else 25.0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames; warn where a tenth of them is missing: their number is an estimate."""
        count = 0
        while self._is_read:
            yield self._frame
            count += 1
            self._is_read, self._frame = self._capture.read()
        total = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if count < 0.9 * total:
            warnings.warn(f"'{self.name}' is cut off: {count} of {total:.0f} frames.", stacklevel=2)
