"""Images of all kinds through the inference API."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmpose.apis import MMPoseInferencer, inference_bottomup, init_model
from mmpose.apis.inferencers.base_mmpose_inferencer import split_instances
from PIL import Image

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.checkpoints.reading import read_checkpoint
from swahr_mmpose.images.video import Video
from swahr_mmpose.visualization import draw_heatmap, image_to_map

from ..helpers import CONFIGS, load_config, save, write_video

TINY = CONFIGS / "swahr_tiny_synthetic.py"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights that see people everywhere."""
    torch.manual_seed(0)
    model = init_model(load_config("swahr_tiny_synthetic"), device="cpu")
    model.init_weights()
    model.head.final_layers[1].bias.data += 0.5
    path = tmp_path_factory.mktemp("checkpoint") / "random.pth"
    return str(save(dict(state_dict=model.state_dict(), meta={}), path))


@pytest.fixture(scope="module")
def model(checkpoint):
    return init_model(str(TINY), checkpoint, device="cpu")


@pytest.fixture(scope="module")
def inferencer(checkpoint):
    return BottomupInferencer(str(TINY), checkpoint, device="cpu", widths=True)


def make_image(w, h, channels=3):
    rng = np.random.default_rng(0)
    shape = (h, w) if channels == 1 else (h, w, channels)
    return rng.integers(0, 255, shape, dtype=np.uint8)


def image_file(path, channels=3):
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), make_image(100, 80, channels))
    return path


@pytest.mark.parametrize("size", [(100, 80), (80, 100), (64, 64), (300, 10), (10, 300), (2, 3)])
def test_images_of_any_shape(model, size):
    (sample,) = inference_bottomup(model, make_image(*size))
    people = sample.pred_instances
    assert len(people) > 0
    assert people.keypoints.shape == (len(people.bbox_scores), 17, 2)
    assert np.isfinite(people.keypoints).all()
    # at most the quarter of a map pixel by which keypoints are refined
    beyond = 0.25 / 192 * min(size) + 1e-3
    assert (people.keypoints >= -beyond).all()
    assert (people.keypoints <= np.array(size) + beyond).all()
    found = np.where(people.keypoints_found[..., None], people.keypoints, np.nan)
    np.testing.assert_allclose(people.bboxes[:, :2], np.nanmin(found, axis=1), rtol=1e-5)
    np.testing.assert_allclose(people.bboxes[:, 2:], np.nanmax(found, axis=1), rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_and_transparent_images(model, channels, tmp_path):
    path = image_file(tmp_path / "image.png", channels)
    (from_array,) = inference_bottomup(model, make_image(100, 80, channels))
    (from_file,) = inference_bottomup(model, str(path))
    np.testing.assert_allclose(
        from_array.pred_instances.keypoints, from_file.pred_instances.keypoints, atol=1e-3
    )


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (make_image(100, 1), "The image is 100×1 pixels"),
        (np.zeros((0, 10, 3), np.uint8), "with pixels in it"),
        (np.zeros((8, 8, 2), np.uint8), "must have 1, 3 or 4 channels, but got 2"),
        (np.broadcast_to(np.uint8(0), (33000, 1100, 3)), "affine maps take 32766 at most"),
    ],
)
def test_images_that_can_not_be_used_are_named(model, image, message):
    with pytest.raises(ValueError, match=message):
        inference_bottomup(model, image)


def test_a_large_image(model):
    (sample,) = inference_bottomup(model, make_image(4000, 3000))
    assert sample.img_shape == (192, 256)
    assert sample.pred_instances.keypoints.max() <= 4100


def test_widths_are_in_the_inferencers_results(inferencer, tmp_path):
    image = image_file(tmp_path / "image.png")
    (result,) = inferencer(str(image), out_dir=str(tmp_path / "out"))
    (people,) = result["predictions"]
    # α is 0: the base width of 4 input pixels, in pixels of the image
    np.testing.assert_allclose(people[0]["keypoint_widths"], 4.0 * 80 / 192)
    assert {type(found) for found in people[0]["keypoints_found"]} == {bool}
    written = json.loads((tmp_path / "out/predictions/image.json").read_text())
    assert len(written) == len(people)
    assert written[0]["keypoint_widths"] == pytest.approx(people[0]["keypoint_widths"])
    assert written[0]["keypoints_found"] == people[0]["keypoints_found"]
    assert (tmp_path / "out/visualizations/image.png").is_file()


def baseline_of(checkpoint, tmp_path):
    """The checkpoint without its scale branch."""
    content = read_checkpoint(checkpoint)
    state = content["state_dict"]
    content["state_dict"] = {k: v for k, v in state.items() if "scale_layers" not in k}
    return str(save(content, tmp_path / "baseline.pth"))


@pytest.mark.parametrize("head", ["SWAHRHead", "HigherHRNetHead"])
def test_without_a_scale_branch_there_are_no_widths(checkpoint, tmp_path, head):
    """Neither from a config that has none, nor from a checkpoint that has none."""
    config = load_config("swahr_tiny_synthetic")
    config.model.head.type = head
    config.dump(tmp_path / "config.py")
    weights = baseline_of(checkpoint, tmp_path)
    with pytest.raises(ValueError, match="has no scale branch"):
        BottomupInferencer(tmp_path / "config.py", weights, device="cpu", widths=True)


def test_widths_are_there_on_request_only(checkpoint):
    (result,) = BottomupInferencer(TINY, checkpoint, device="cpu")(make_image(100, 80))
    (people,) = result["predictions"]
    assert people
    assert "keypoint_widths" not in people[0]


@pytest.mark.parametrize("make", [BottomupInferencer, MMPoseInferencer])
def test_people_are_plain_json(checkpoint, make):
    (result,) = make(str(TINY), checkpoint, device="cpu")(make_image(100, 80))
    people = json.loads(json.dumps(result["predictions"]))[0]
    assert len(people) > 0
    assert {"keypoints", "keypoint_scores", "bbox", "bbox_score"} <= set(people[0])


@pytest.mark.parametrize(
    ("config", "options", "error", "message"),
    [
        ("swahr_huge", {}, FileNotFoundError, r"no config 'swahr_huge'\..* There are: "),
        ("configs/missing.py", {}, FileNotFoundError, r"There is no config file '.*missing\.py'"),
        ("higherhrnet_w32_cocoo", {}, FileNotFoundError, "Did you mean 'higherhrnet_w32_coco'"),
        # not run with random ones
        (
            "swahr_hrnet_w48_coco",
            {},
            ValueError,
            "no weights for 'swahr_hrnet_w48_coco' .*w32_coco",
        ),
        (TINY, dict(det_model="rtmdet"), TypeError, "det_model"),
        (TINY, dict(decode=dict(minscore=0.1)), TypeError, "no option `minscore`. .*'min_score'"),
        (TINY, dict(decode=dict(grouping="greedy")), ValueError, "`grouping` must be one of"),
    ],
)
def test_what_no_inferencer_can_be_made_of_is_named(config, options, error, message):
    with pytest.raises(error, match=message):
        BottomupInferencer(config, device="cpu", **options)


@pytest.mark.parametrize("size", [(100, 80), (80, 100), (64, 64), (300, 120)])
def test_heatmaps_lie_where_the_keypoints_are(model, size):
    """The network's input shows more than the image, which is not to be seen."""
    (sample,) = inference_bottomup(model, make_image(*size))
    h, w = sample.img_shape
    heatmap = np.zeros((h, w), np.float32)
    x, y = w // 2 + 20, h // 2 - 30
    heatmap[y - 3 : y + 4, x - 3 : x + 4] = 1
    to_map = image_to_map((h, w), sample.input_center, sample.input_scale)
    black = np.zeros((size[1], size[0], 3), np.uint8)
    drawn = draw_heatmap(black, heatmap[None], to_map)
    assert drawn.shape == black.shape
    rows, columns = np.nonzero(drawn.max(axis=-1) > 127)
    # where the estimator puts a keypoint found at this pixel's centre
    expected = (np.array([x, y]) + 0.5) / sample.input_size * sample.input_scale
    expected += sample.input_center - 0.5 * np.array(sample.input_scale)
    # pixels of the image are two to three of the input's
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.6)


@pytest.mark.parametrize("make", [BottomupInferencer, MMPoseInferencer])
@pytest.mark.parametrize("maps", [["heatmaps"], ["heatmaps", "tags", "scales"]])
def test_the_inferencers_draw_the_maps_of_the_config(checkpoint, tmp_path, make, maps):
    """People above, maps below."""
    config = load_config("swahr_tiny_synthetic")
    config.visualizer.name = f"maps_{make.__name__}_{len(maps)}"
    if len(maps) > 1:  # heatmaps are the default
        config.visualizer.maps = maps
    config.model.test_cfg.output_scales = len(maps) > 1
    config.dump(tmp_path / "config.py")
    inferencer = make(str(tmp_path / "config.py"), checkpoint, device="cpu")
    (result,) = inferencer(make_image(100, 80), draw_heatmap=True, return_vis=True)
    assert result["visualization"][0].shape == ((1 + len(maps)) * 80, 100, 3)


def test_samples_can_be_had_with_widths_too(inferencer):
    (result,) = inferencer(make_image(100, 80), return_datasamples=True)
    (sample,) = result["predictions"]
    assert sample.pred_instances.keypoint_widths.shape[1] == 17
    # what MMPose's own inferencer makes of it
    assert set(split_instances(sample.pred_instances)[0]) >= {"keypoints", "bbox", "bbox_score"}


@torch.no_grad()
def test_multi_scale_through_the_inference_api(checkpoint):
    config = load_config("swahr_tiny_synthetic")
    config.test_dataloader.dataset.pipeline[1].update(input_size=128, scales=(1, 0.5, 2))
    model = init_model(config, checkpoint, device="cpu")
    (sample,) = inference_bottomup(model, make_image(100, 80))
    assert sample.aug_scales == [0.5, 2.0]
    assert len(sample.pred_instances.keypoints) > 0


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_arrays_have_numbers_for_names(checkpoint, tmp_path):
    """Over all calls: none is written over another."""
    inferencer = BottomupInferencer(str(TINY), checkpoint, device="cpu")
    list(inferencer([make_image(100, 80), make_image(80, 80)], out_dir=str(tmp_path)))
    list(inferencer(make_image(100, 80), out_dir=str(tmp_path)))
    for folder, suffix in (("predictions", "json"), ("visualizations", "jpg")):
        assert names_in(tmp_path / folder) == [f"{index:06d}.{suffix}" for index in range(3)]


def people_found(inferencer, image, **arguments):
    (result,) = inferencer(image, **arguments)
    return result["predictions"][0]


def test_no_one_is_found_where_no_one_is():
    """With the network that comes with the package, which is sure of none."""
    inferencer = BottomupInferencer("swahr_tiny_synthetic", device="cpu")
    for value in (0, 128, 255):
        image = np.full((200, 300, 3), value, np.uint8)
        assert people_found(inferencer, image) == []
    every = people_found(inferencer, np.zeros((200, 300, 3), np.uint8), bbox_thr=0, nms_thr=None)
    assert len(every) > 10


def test_thresholds_of_the_inferencer_are_honoured(inferencer):
    image = make_image(100, 80)
    every = people_found(inferencer, image, bbox_thr=0, nms_thr=None)
    scores = np.array([person["bbox_score"] for person in every])
    threshold = float(np.median(scores))
    some = people_found(inferencer, image, bbox_thr=threshold)
    assert len(some) == (scores >= threshold).sum() < len(every)
    # for that call only, and else those of applications
    of_applications = people_found(inferencer, image, bbox_thr=0.2, nms_thr=0.9)
    assert people_found(inferencer, image) == of_applications
    fewer = people_found(inferencer, image, bbox_thr=0, nms_thr=0.2)
    assert 0 < len(fewer) < len(every)


def test_the_inferencer_can_read_people_as_the_config_does(model, checkpoint):
    official = dict(grouping="official", min_score=0, pose_nms_thr=None)
    inferencer = BottomupInferencer(str(TINY), checkpoint, device="cpu", decode=official)
    image = make_image(100, 80)
    (sample,) = inference_bottomup(model, image)
    found = np.array([person["keypoints"] for person in people_found(inferencer, image)])
    np.testing.assert_allclose(found, sample.pred_instances.keypoints, atol=1e-3)


IMAGE = make_image(100, 80)


@pytest.mark.parametrize(
    ("inputs", "arguments", "message"),
    [
        (IMAGE, dict(bboxes=[[0, 0, 1, 1]]), "`bboxes` has no effect on people found bottom-up"),
        (IMAGE, dict(use_oks_tracking=True), "`use_oks_tracking` has no effect"),
        (IMAGE, dict(kpt_thres=0.5), "no argument `kpt_thres`. Did you mean 'kpt_thr'"),
        (IMAGE, dict(bbox_thr=1.5), r"bbox_thr` must be in \[0, 1\), but got 1.5"),
        (IMAGE, dict(batch_size=4), "image by image. Leave it out, or use `swahr predict`"),
        (IMAGE, dict(nms_thr=0), r"nms_thr` must be None \(off\) or in \(0, 1\), but got 0"),
        (None, {}, "must be an array of uint8, as cv2.imread gives it, but got NoneType"),
        ([["a.jpg"]], {}, "must be an array of uint8, .* but got list"),
        (np.zeros((8, 8, 3)), {}, "an array of uint8, as cv2.imread gives it, but got float64"),
        (Image.new("I;16", (8, 8)), {}, "an array of uint8, .* but got Image"),
        (["."], {}, "'.' is a folder. Give it alone"),
        (["rtsp://a"], {}, "'rtsp://a' is a video. Give it alone"),
        (97, {}, "Camera 97 gives no image"),
        ("webcam:98", {}, "Camera 98 gives no image"),
    ],
)
def test_inputs_and_arguments_that_are_none_are_named(inferencer, inputs, arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        inferencer(inputs, **arguments)


def people_of(inferencer, inputs, **arguments):
    return [result["predictions"][0] for result in inferencer(inputs, **arguments)]


def test_inputs_of_all_kinds(inferencer, tmp_path):
    path = image_file(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text(str(path))
    (expected,) = people_of(inferencer, str(path))
    kinds = (Image.open(path), iter([path]), tmp_path / "*.png", tmp_path / "list.txt")
    for inputs in kinds:
        assert people_of(inferencer, inputs) == [expected]
    with pytest.raises(FileNotFoundError, match=r"b\.png"):
        inferencer(tmp_path / "b.png")


@pytest.mark.parametrize("inputs", ["in/a.png", "link/a.png", "in", "in/v.avi"])
@pytest.mark.parametrize("kind", ["vis_out_dir", "pred_out_dir"])
def test_results_do_not_replace_what_is_read(inferencer, tmp_path, inputs, kind):
    image_file(tmp_path / "in" / "a.png")
    write_video(tmp_path / "in" / "v.avi", [IMAGE])
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = [path.read_bytes() for path in sorted((tmp_path / "in").iterdir())]
    with pytest.raises(ValueError, match=r"could replace '.*(a\.png|v\.avi)', or files beside it"):
        list(inferencer(tmp_path / inputs, **{kind: str(tmp_path / "in")}))
    assert [path.read_bytes() for path in sorted((tmp_path / "in").iterdir())] == before


@pytest.mark.filterwarnings("ignore:The metainfo config file")
def test_options_end_with_their_call(inferencer):
    model = inferencer.inferencer.model
    before = model.head.decoder.decode_options, dict(model.test_cfg)
    options = dict(return_vis=True, kpt_thr=0.0)
    (expected,) = inferencer(IMAGE, **options)
    other = dict(skeleton_style="openpose", draw_heatmap=True, bbox_thr=0.5, nms_thr=0.5)
    list(inferencer(IMAGE, **options, **other))
    assert (model.head.decoder.decode_options, dict(model.test_cfg)) == before
    (after,) = inferencer(IMAGE, **options)
    assert (after["visualization"][0] == expected["visualization"][0]).all()


def test_drawn_images_are_in_rgb_as_mmpose_draws_them(inferencer):
    blue = np.full((80, 100, 3), (255, 0, 0), np.uint8)
    (result,) = inferencer(blue, return_vis=True, bbox_thr=0.99)
    assert result["visualization"][0][0, 0].tolist() == [0, 0, 255]


def test_the_inferencer_can_leave_out_the_mirrored_image(checkpoint, model):
    inferencer = BottomupInferencer(str(TINY), checkpoint, device="cpu", flip_test=False)
    (result,) = inferencer(IMAGE, return_datasamples=True, draw_heatmap=True)
    assert result["predictions"][0].pred_fields.tags.shape[0] == 17
    assert model.test_cfg["flip_test"]


def test_each_call_keeps_its_thresholds(inferencer):
    """Results are taken one by one, those of another call in between."""
    image = make_image(100, 80)
    many = len(people_found(inferencer, image, bbox_thr=0.0, nms_thr=None))
    few = len(people_found(inferencer, image, bbox_thr=0.9, nms_thr=None))
    assert few < many
    strict = inferencer([image, image], bbox_thr=0.9, draw_heatmap=True, return_datasamples=True)
    loose = inferencer([image, image], bbox_thr=0.0, nms_thr=None)
    for _ in range(2):
        (sample,) = next(strict)["predictions"]
        assert len(sample.pred_instances) == few
        assert "heatmaps" in sample.pred_fields
        assert len(next(loose)["predictions"][0]) == many


def test_each_call_keeps_its_kind_of_input(inferencer, tmp_path):
    """A folder, of which a file is left out; an image; and a video, which has numbers."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jpg").write_text("no image")
    image_file(tmp_path / "folder" / "b.jpg")
    of_folder = inferencer(tmp_path / "folder")
    unreadable = inferencer.unreadable
    of_video = inferencer(str(short_video(tmp_path)))
    assert next(of_video)["frame_id"] == 0
    assert "frame_id" not in next(inferencer(make_image(100, 80)))
    assert [Path(result["files"][0]).name for result in of_folder] == ["b.jpg"]
    assert [result["frame_id"] for result in of_video] == [1, 2]
    assert [Path(path).name for path in unreadable] == ["a.jpg"]
    assert inferencer.unreadable == {}


def test_images_of_one_name_do_not_replace_each_other(inferencer, tmp_path):
    paths = [tmp_path / name for name in ("one/x.jpg", "two/x.jpg", "two/x.png")]
    for path in paths:
        image_file(path)
    results = list(inferencer(paths, out_dir=str(tmp_path / "out")))
    assert [result["files"] for result in results] == [[str(path)] for path in paths]
    assert names_in(tmp_path / "out/predictions") == ["x.json", "x_1.json", "x_2.json"]
    assert names_in(tmp_path / "out/visualizations") == ["x.jpg", "x_1.jpg", "x_2.png"]


def test_images_go_by_what_is_in_them(inferencer, tmp_path):
    image_file(tmp_path / "a.png").rename(tmp_path / "image")
    assert len(list(inferencer(tmp_path / "image"))) == 1


def test_folders_in_a_folder_are_said(inferencer, tmp_path, caplog):
    MMLogger.get_current_instance().addHandler(caplog.handler)
    for name in ("a.png", "deeper/b.png"):
        image_file(tmp_path / name)
    assert len(list(inferencer(tmp_path))) == 1
    assert "are left out; `swahr predict` takes them" in caplog.text


def test_a_folder_goes_on_where_an_image_can_not_be_read(inferencer, tmp_path):
    folder = tmp_path / "images"
    for name in ("a.png", "c.jpg"):
        image_file(folder / name)
    (folder / "b.jpg").write_bytes(b"no image")
    (folder / "d.png").touch()
    (folder / "README").write_text("no image, and not to be one")
    results = list(inferencer(folder, out_dir=str(tmp_path / "out")))
    assert [Path(result["files"][0]).name for result in results] == ["a.png", "c.jpg"]
    assert sorted(Path(path).name for path in inferencer.unreadable) == ["b.jpg", "d.png"]
    assert all(inferencer.unreadable.values())
    assert names_in(tmp_path / "out/predictions") == ["a.json", "c.json"]
    # an image that is named itself is wanted: that it can't be read is an error
    with pytest.raises(ValueError, match=r"b\.jpg' is neither an image nor a video"):
        list(inferencer(str(folder / "b.jpg")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no images in the folder"):
        inferencer(tmp_path / "empty")


def short_video(folder):
    write_video(folder / "short.avi", [make_image(100, 80)] * 3)
    return folder / "short.avi"


def test_a_video_has_numbers_for_its_frames(inferencer, tmp_path):
    path = short_video(tmp_path)
    results = list(inferencer(str(path), pred_out_dir=str(tmp_path / "out")))
    assert len(results) == 3
    frames = json.loads((tmp_path / "out/short.json").read_text())
    assert [frame["frame_id"] for frame in frames] == [0, 1, 2]
    people = results[1]["predictions"][0]
    assert [p["keypoints"] for p in frames[1]["instances"]] == [p["keypoints"] for p in people]
    assert "keypoint_widths" in frames[1]["instances"][0]


def test_drawn_videos_can_be_read(inferencer, tmp_path):
    """What MMPose's writer can't write has another name, or is refused."""
    path = tmp_path / "v.webm"
    write_video(path, [IMAGE] * 3, "VP80")
    for out, written in (("out", "out/v.mp4"), ("out/own.avi", "out/own.avi")):
        list(inferencer(path, vis_out_dir=str(tmp_path / out)))
        assert len(list(Video(str(tmp_path / written)))) == 3
    with pytest.raises(ValueError, match=r"own\.flv', but must be a folder, or an MP4"):
        inferencer(path, vis_out_dir=str(tmp_path / "own.flv"))
    (tmp_path / "full" / "v.mp4").mkdir(parents=True)  # can't be written
    with pytest.raises(ValueError, match=r"v\.mp4' is neither"):
        list(inferencer(path, vis_out_dir=str(tmp_path / "full")))
