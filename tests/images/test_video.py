"""Videos are opened by their content, and nothing that names other files is."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from swahr_mmpose.images.files import ImageError
from swahr_mmpose.images.video import Video, is_video

from ..helpers import write_video

FRAMES = [np.full((48, 64, 3), 40 * index, np.uint8) for index in range(5)]

#: Of containers, the codec that the files below have.
CONTAINERS = dict(
    mp4="mp4v", mov="mp4v", mkv="mp4v", m4v="mp4v", avi="MJPG", ts="mp4v", m2ts="mp4v", mpg="mpg2",
    webm="VP80", flv="FLV1", wmv="WMV2", ogv="VP80",
)  # fmt: skip
CONTAINERS["3gp"] = "mp4v"

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{private}\n#EXT-X-ENDLIST\n"
DESCRIPTION = "c=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n\0"


@pytest.fixture
def private(tmp_path):
    """A video that no other file may bring in."""
    write_video(tmp_path / "private.ts", FRAMES, "mpg2")
    return tmp_path / "private.ts"


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_videos_go_by_what_is_in_them(tmp_path, suffix):
    write_video(tmp_path / f"v.{suffix}", FRAMES, CONTAINERS[suffix])
    video = Video(str((tmp_path / f"v.{suffix}").rename(tmp_path / "v.txt")))
    assert [frame.shape for frame in video] == [(48, 64, 3)] * 5
    assert 9 < video.fps < 11


@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.webm", "a.jpg"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "no video",
        PLAYLIST,
        "ffconcat version 1.0\nfile {private}\n",
        "v=0\n" + DESCRIPTION,
        "FLV\x01\n" + DESCRIPTION,
        "<MPD profiles='urn:mpeg:dash:profile:isoff-on-demand:2011'></MPD>",
    ],
)
def test_text_is_no_video(tmp_path, private, name, text):
    (tmp_path / name).write_text(text.format(private=private))
    with pytest.raises(ImageError, match=f"{name}' is neither .* text such as a playlist"):
        Video(str(tmp_path / name))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("cut.mp4", "cut.mp4' gives no image. Is it damaged"),
        (97, "Camera 97 gives no image. Is it"),
        ("rtsp://127.0.0.1:9/camera", "rtsp://127.0.0.1:9/camera' gives no image"),
    ],
)
def test_what_brings_no_image_is_named(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "whole.mp4", FRAMES, "mp4v")
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:-300])
    with pytest.raises(ImageError, match=message):
        Video(source)


def test_a_cut_video_gives_a_warning(tmp_path):
    write_video(tmp_path / "v.avi", FRAMES * 4)
    content = (tmp_path / "v.avi").read_bytes()
    (tmp_path / "v.avi").write_bytes(content[: len(content) * 2 // 3])
    with pytest.warns(UserWarning, match=r"'v\.avi' is cut off: \d+ of 20 frames"):
        assert len(list(Video(str(tmp_path / "v.avi")))) < 20


def test_videos_at_web_addresses(tmp_path, private):
    write_video(tmp_path / "v.mp4", FRAMES, "mp4v")
    (tmp_path / "list.mp4").write_text(PLAYLIST.format(private=private))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert len(list(Video(f"{address}/v.mp4"))) == 5
        with pytest.raises(ImageError, match=r"list\.mp4' is neither"):
            Video(f"{address}/list.mp4")
        with pytest.raises(ImageError, match=r"none.mp4' can't be opened: .*404"):
            is_video(f"{address}/none.mp4")
        server.shutdown()


def test_large_frames_are_not_decoded(tmp_path, monkeypatch):
    write_video(tmp_path / "v.avi", FRAMES)
    monkeypatch.setenv("SWAHR_MAX_PIXELS", "3000")
    with pytest.raises(ImageError, match=r"v\.avi' is 64×48 = 3072 pixels, and at most 3000 are"):
        Video(str(tmp_path / "v.avi"))
