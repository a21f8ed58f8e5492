"""Unusual images are read right; broken ones are errors with their names."""

import io
import json
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from mmpose.registry import DATASETS
from PIL import Image

from swahr_mmpose.apis.image_stream import ImageFile, ImageFiles
from swahr_mmpose.datasets.transforms import BottomupLoadImage
from swahr_mmpose.images.files import ImageError, decode_image, read_image

from ..helpers import load_config

SIZE = (120, 80)
BROKEN = {
    "empty.jpg": (b"", "is an empty file"),
    "text.jpg": (b"no image", "can't be read as an image"),
    "cut.jpg": ("JPEG", "can't be read as an image: it is cut off"),
    "cut.png": ("PNG", "can't be read as an image: it is cut off"),
    "cut.webp": ("WEBP", "can't be read as an image: it is cut off"),
    "cut.bmp": ("BMP", "can't be read as an image: it is cut off"),
    "cut.tif": ("TIFF", "can't be read as an image: it is cut off"),
    "animated.gif": ("GIF", "save it as PNG or JPEG"),
    "folder.jpg": (None, "can't be opened: Is a directory"),
}


@pytest.fixture(scope="module")
def drawn():
    """Smooth colours, so that formats with loss lose little."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC)


def content_of(image, kind, **options):
    """A file's content, of a BGR array or one of Pillow's images."""
    opened = image if isinstance(image, Image.Image) else Image.fromarray(image[..., ::-1])
    stream = io.BytesIO()
    opened.save(stream, kind, **options)
    return stream.getvalue()


def broken(drawn, name):
    """A file's content that is no whole image, and what is said of it."""
    content, message = BROKEN[name]
    if name.startswith("cut"):
        content = content_of(drawn, content)[:-9]
    elif name.endswith(".gif"):
        content = animation(drawn, content)
    return content, message


def turned_by_camera(image, orientation, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return content_of(image, "JPEG", exif=exif, **options)


def in_16_bits(image):
    return cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes()


def grey(image):
    return Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def palette(image):
    """Of few colours, the first of which is transparent."""
    few = Image.fromarray(image[..., ::-1]).quantize(200)
    return content_of(few, "PNG", transparency=0), np.asarray(few.convert("RGB"))[..., ::-1]


def see_through(image):
    return Image.fromarray(np.dstack([image[..., ::-1], np.zeros(image.shape[:2], np.uint8)]))


def animation(image, kind, **options):
    frames = [Image.fromarray(image[::-1, :, ::-1])]
    return content_of(image, kind, save_all=True, append_images=frames, **options)


def test_images_of_all_kinds_have_their_colours(drawn):
    few_colours, as_seen = palette(drawn)
    cases = {
        "CMYK": (content_of(Image.fromarray(drawn[..., ::-1]).convert("CMYK"), "JPEG"), drawn),
        "16 bits": (in_16_bits(drawn), drawn),
        "grey": (content_of(grey(drawn), "PNG"), np.dstack([np.asarray(grey(drawn))] * 3)),
        "palette": (few_colours, as_seen),
        "transparent": (content_of(see_through(drawn), "PNG"), drawn),
        "animated PNG": (animation(drawn, "PNG"), drawn),
        "animated WebP": (animation(drawn, "WEBP", lossless=True), drawn),
        "progressive": (content_of(drawn, "JPEG", progressive=True, quality=95), drawn),
    }
    for name, (content, expected) in cases.items():
        image = decode_image(content, name)
        assert image.dtype == np.uint8
        assert image.shape == (*SIZE[::-1], 3), name
        assert np.abs(image.astype(float) - expected).mean() < 4, name


@pytest.mark.parametrize("name", BROKEN)
def test_broken_images_are_named(drawn, tmp_path, name):
    content, message = broken(drawn, name)
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    if name.endswith(".gif") and cv2.haveImageReader(str(path)):
        pytest.skip("this version of OpenCV reads GIF")
    with pytest.raises(ImageError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cut", range(1, 100, 7))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_cut_anywhere_is_no_image(drawn, kind, cut):
    content = content_of(drawn, kind)
    with pytest.raises(ImageError):
        decode_image(content[: len(content) * cut // 100], "cut")


def test_names_that_are_none(tmp_path):
    for name in ("none.jpg", "a\0b.jpg", "\ud800.jpg"):
        with pytest.raises(ImageError, match="can't be opened"):
            read_image(tmp_path / name)


def test_images_that_are_too_long_are_named():
    long = cv2.imencode(".png", np.zeros((1, 40000, 3), np.uint8))[1].tobytes()
    with pytest.raises(ImageError, match="'long' can't be used: The image is 40000×1 pixels"):
        decode_image(long, "long")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "JPEG", "BMP", "JPEG2000", "WEBP"])
def test_images_of_too_many_pixels_are_not_decoded(drawn, monkeypatch, kind):
    """The limit holds for what the header says, and can be set."""
    content = content_of(drawn, kind)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    monkeypatch.setenv("SWAHR_MAX_PIXELS", "9599")
    message = "'a' is 120×80 = 9600 pixels, and at most 9599 are read.* variable SWAHR_MAX_PIXELS"
    with pytest.raises(ImageError, match=message):
        decode_image(content, "a")
    monkeypatch.undo()
    monkeypatch.setenv("SWAHR_MAX_PIXELS", "many")
    with pytest.raises(ValueError, match="SWAHR_MAX_PIXELS must be a number of pixels"):
        decode_image(content, "a")


def test_a_small_file_is_not_made_a_large_image():
    """Of 900 million pixels, 2.7 GB, in a file of 100 bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    rest = struct.pack(">I", 20) + b"IDAT" + bytes(24)
    with pytest.raises(ImageError, match=r"30000×30000 = 900000000 pixels.* at most 300000000"):
        decode_image(b"\x89PNG\r\n\x1a\n" + chunk + rest, "a.png")


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    for read in (read_image, BottomupLoadImage()):
        given = tmp_path / "a.jpg"
        with pytest.raises(ImageError, match=r"a\.jpg' can't be opened: it is a pipe or a device"):
            read(given if read is read_image else dict(img_path=str(given)))


@pytest.fixture(scope="module")
def config():
    return load_config("swahr_tiny_synthetic")


@pytest.fixture
def dataset_of(tmp_path, config):
    """Makes a dataset of the tiny config, of one image with one person."""

    def dataset_of(content, size, part="train", name="bild 1 – ü.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        w, h = size
        person = dict(
            id=1, image_id=5, category_id=1, iscrowd=0, keypoints=[w / 4, h / 4, 2] * 17,
            num_keypoints=17, bbox=[0, 0, w, h], area=w * h, segmentation=[],
        )  # fmt: skip
        annotations = dict(
            images=[dict(id=5, file_name=name, width=w, height=h)],
            annotations=[person],
            categories=[dict(id=1, name="person")],
        )
        (tmp_path / "annotations.json").write_text(json.dumps(annotations))
        own = dict(
            ann_file=str(tmp_path / "annotations.json"), data_root="",
            data_prefix=dict(img=str(path.parent)), serialize_data=False,
        )  # fmt: skip
        return DATASETS.build(dict(config[f"{part}_dataloader"].dataset, **own))

    return dataset_of


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("name", ["empty.jpg", "text.jpg", "cut.png"])
def test_training_and_test_name_the_image(drawn, dataset_of, part, name):
    content, message = broken(drawn, name)
    dataset = dataset_of(content, SIZE, part, name)
    with pytest.raises(ImageError, match=message) as caught:
        dataset[0]
    text = str(caught.value)
    assert text.startswith("Image 5 of '")
    for hint in (name, "swahr check", "--images"):
        assert hint in text


def test_a_file_that_is_gone_is_named(drawn, dataset_of, tmp_path):
    dataset = dataset_of(content_of(drawn, "PNG"), SIZE)
    (tmp_path / "images" / "bild 1 – ü.jpg").unlink()
    with pytest.raises(ImageError, match=r"can't be opened: No such file .*`data_prefix` right"):
        dataset[0]


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_images_are_turned_as_the_camera_says(drawn, dataset_of, orientation):
    content = turned_by_camera(drawn, orientation)
    expected = np.rot90(drawn, {3: 2, 6: -1, 8: 1}[orientation])
    image = decode_image(content, "turned")
    assert np.abs(image.astype(float) - expected).mean() < 6
    w, h = expected.shape[1::-1]
    sample = dataset_of(content, (w, h), "test")[0]["data_samples"]
    assert sample.ori_shape == (h, w)


@pytest.mark.parametrize("orientation", [6, 8])
def test_annotations_of_the_stored_pixels_are_taken_so(drawn, dataset_of, orientation):
    """As COCO's are: the size says it."""
    content = turned_by_camera(drawn, orientation, quality=95)
    upright = dataset_of(content_of(drawn, "JPEG", quality=95), SIZE, "test")[0]
    sample = dataset_of(content, SIZE, "test")[0]
    assert sample["data_samples"].ori_shape == SIZE[::-1]
    assert (sample["inputs"] == upright["inputs"]).all()


def test_an_image_of_another_size_is_named(drawn, dataset_of):
    dataset = dataset_of(content_of(drawn, "PNG"), (120, 81))
    with pytest.raises(ImageError, match="is 120×80 pixels, but its annotations are for 120×81"):
        dataset[0]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (20000, 30), (30, 20000)])
def test_very_small_and_very_long_images(dataset_of, size):
    content = cv2.imencode(".png", np.full((size[1], size[0], 3), 99, np.uint8))[1].tobytes()
    sample = dataset_of(content, size)[0]
    assert sample["inputs"].shape == (3, 192, 192)
    test = dataset_of(content, size, "test")
    if max(size) <= 32 * min(size):
        assert test[0]["inputs"].shape == (3, 192, 192)
        return
    with pytest.raises(ImageError, match=r"bild 1 – ü.jpg.*factor of more than 32.*\s.*Cut|pad"):
        test[0]


def test_folders_of_images_say_what_is_wrong(drawn, tmp_path, config):
    contents = {
        "whole.gif": content_of(drawn, "PNG"),
        "cut.png": broken(drawn, "cut.png")[0],
        "long.png": content_of(np.zeros((30, 20000, 3), np.uint8), "PNG"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    images = [ImageFile(name, str(tmp_path / name)) for name in contents]
    meta = DATASETS.get("BottomupCocoDataset")._load_metainfo()
    files = ImageFiles(images, config.test_dataloader.dataset.pipeline, meta)
    whole, cut, long = (files[index] for index in range(3))
    assert whole.error == ""
    assert "cut.png' can't be read as an image" in cut.error
    assert "long.png" in long.error
    assert "is 20000×30 pixels" in long.error
