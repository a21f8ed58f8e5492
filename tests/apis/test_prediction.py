"""Any number of images to a file, stopped and gone on with: `tools/predict.py` and its function."""

import json
import os
import re
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from swahr_mmpose.apis import BottomupInferencer, predict_files
from swahr_mmpose.apis.image_stream import ImageFile, ImageFiles, find_images
from swahr_mmpose.apis.results_file import Journal, Output, bring_together, lines_in
from swahr_mmpose.models.pose_estimator import BottomupPyramidEstimator

from ..checkpoints.test_reading import server  # noqa: F401  (a fixture)
from ..helpers import CONFIGS, ROOT
from .test_inferencer import baseline_of, checkpoint  # noqa: F401  (a fixture)

TOOL = ROOT / "tools" / "predict.py"
MAIN = runpy.run_path(str(TOOL))["main"]
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1")
SIZES = [(64, 64), (96, 64), (64, 100), (70, 70), (64, 64), (130, 64), (64, 64), (96, 64)]


@pytest.fixture
def images(tmp_path):
    """A folder with images of several sizes, one of them in a folder in it."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, (w, h) in enumerate(SIZES):
        name = f"more/{i}.png" if i == 3 else f"{i}.png"
        assert cv2.imwrite(str(folder / name), rng.integers(0, 255, (h, w, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def predict(checkpoint, tmp_path):  # noqa: F811
    """The tool, in this process: its exit status, and what it wrote."""

    def run(source, *options):
        out = tmp_path / "results.jsonl"
        required = ["--config", "swahr_tiny_synthetic", "--checkpoint", checkpoint]
        required += ["--workers", "0", "--out", str(out)]
        status = MAIN([str(source), *required, *options])
        if status > 1:  # what is there may be no lines
            return status, [], []
        return status, lines(out), lines(tmp_path / "results.errors.jsonl")

    return run


def lines(path):
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_people_are_those_of_the_inferencer(predict, images, checkpoint):  # noqa: F811
    # one at a time: sums of a batch differ in the last digits, and in noise many maxima are equal
    status, results, errors = predict(images, "--widths", "--batch-size", "1")
    assert (status, errors) == (0, [])
    assert {line["file"] for line in results} == {image.name for image in find_images(str(images))}
    inferencer = BottomupInferencer("swahr_tiny_synthetic", checkpoint, device="cpu", widths=True)
    for line in results:
        (result,) = inferencer(str(images / line["file"]))
        people = result["predictions"][0]
        assert len(people) == len(line["people"])
        height, width = cv2.imread(str(images / line["file"])).shape[:2]
        assert (line["width"], line["height"]) == (width, height)
        for ours, expected in zip(line["people"], people):
            assert ours["keypoints_found"] == expected["keypoints_found"]
            # rounded to thousandths
            for name in ("keypoints", "keypoint_widths"):
                np.testing.assert_allclose(ours[name], expected[name], atol=2e-3)
            np.testing.assert_allclose(ours["score"], expected["bbox_score"], atol=1e-4)
            np.testing.assert_allclose(ours["bbox"], expected["bbox"][0], atol=2e-3)


def test_a_program_can_call_it(images, checkpoint, tmp_path):  # noqa: F811
    (images / "broken.jpg").write_text("no image")
    out, steps = tmp_path / "results.jsonl", []
    found = predict_files(
        images, out, "swahr_tiny_synthetic", checkpoint, min_score=None, batch_size=3,
        num_workers=0, device="cpu", progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert found == (len(SIZES), 1, tmp_path / "results.errors.jsonl")
    assert [line["file"] for line in lines(found.errors)] == ["broken.jpg"]
    assert all(line["people"] for line in lines(out))
    total = len(SIZES) + 1
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == ((0, total), (total, total))


def test_what_can_not_be_used_is_listed_and_tried_again(predict, images, tmp_path):
    (images / "broken.jpg").write_text("no image")
    (images / "empty.png").touch()
    cv2.imwrite(str(images / "thin.png"), np.zeros((2, 200, 3), np.uint8))
    status, results, errors = predict(images)
    assert status == 1
    assert len(results) == len(SIZES)
    said = {line["file"]: line["error"] for line in errors}
    assert "can't be read as an image" in said["broken.jpg"]
    assert "is an empty file" in said["empty.png"]
    assert "factor of more than 32" in said["thin.png"]

    for name in ("broken.jpg", "empty.png", "thin.png"):
        cv2.imwrite(str(images / name), np.zeros((64, 64, 3), np.uint8))
    status, results, errors = predict(images)
    assert (status, errors) == (0, [])
    assert not (tmp_path / "results.errors.jsonl").exists()
    names = [line["file"] for line in results]
    assert len(names) == len(set(names)) == len(SIZES) + 3


def out_of_memory(maps):
    raise RuntimeError("memory\nran out")


#: What may go wrong with the maps of an image, and what is said then.
FAILURES = [
    (out_of_memory, "memory ran out"),
    (lambda maps: maps._replace(tags=maps.tags * np.nan), "tag maps hold NaN"),
    (lambda maps: maps._replace(heatmaps=maps.heatmaps * 1e38), "heatmaps hold NaN"),
]


def fails_for(monkeypatch, name, change):
    """Have the maps of the batches with an image of this name changed."""
    own = BottomupPyramidEstimator.predict_maps

    def predict_maps(model, inputs, samples):
        maps = own(model, inputs, samples)
        return change(maps) if any(Path(s.img_path).name == name for s in samples) else maps

    monkeypatch.setattr(BottomupPyramidEstimator, "predict_maps", predict_maps)


@pytest.mark.parametrize(("change", "message"), FAILURES)
def test_an_image_that_fails_in_the_network_stops_no_other(
    predict, images, monkeypatch, change, message
):
    with monkeypatch.context() as failing:
        fails_for(failing, "4.png", change)
        status, results, errors = predict(images)
    assert (status, len(results)) == (1, len(SIZES) - 1)
    assert [line["file"] for line in errors] == ["4.png"]
    assert message in errors[0]["error"]
    status, results, errors = predict(images)
    assert (status, len({line["file"] for line in results}), errors) == (0, len(SIZES), [])


def test_an_image_of_a_folder_that_fails_in_the_network_is_left_out(
    checkpoint,  # noqa: F811
    images,
    tmp_path,
    monkeypatch,
):
    inferencer = BottomupInferencer("swahr_tiny_synthetic", checkpoint, device="cpu")
    for change, message in FAILURES:
        with monkeypatch.context() as failing:
            fails_for(failing, "4.png", change)
            found = list(inferencer(images, pred_out_dir=str(tmp_path / "out")))
        assert len(found) == len(SIZES) - 2  # one is in a folder inside
        assert list(inferencer.unreadable) == [str(images / "4.png")]
        assert message in inferencer.unreadable[str(images / "4.png")]


def test_a_full_disk_is_told_from_images_that_can_not_be_used(predict, images, capsys):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, limits[1]))
    try:
        status = predict(images, "--as-config")[0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 3
    assert capsys.readouterr().err.splitlines()[-1] == "error: [Errno 27] File too large"
    assert predict(images, "--as-config")[0] == 0


def test_a_second_run_at_the_same_time_is_refused(predict, images, checkpoint, tmp_path, capsys):  # noqa: F811
    second = []
    predict_files(
        images, tmp_path / "results.jsonl", "swahr_tiny_synthetic", checkpoint, num_workers=0,
        progress=lambda done, total: done or second.append(predict(images)[0]),
    )  # fmt: skip
    assert second == [2]
    assert f"Another run writes '{tmp_path / 'results.jsonl'}'" in capsys.readouterr().err
    assert len(predict(images)[1]) == len(SIZES)
    errors = []
    for _ in range(2):
        with pytest.raises(ValueError, match="begun with widths") as error:
            predict_files(
                images, tmp_path / "results.jsonl", "swahr_tiny_synthetic", checkpoint, widths=True
            )
        errors.append(error)  # the run that failed is held, and holds no lock


def test_a_line_that_was_cut_off_is_done_again(predict, images, tmp_path):
    _, complete, _ = predict(images)
    out = tmp_path / "results.jsonl"
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) * 2 // 3])
    status, results, _ = predict(images)
    assert status == 0
    by_name = {line["file"]: line for line in results}
    assert len(by_name) == len(results) == len(complete)
    for line in complete:
        assert len(by_name[line["file"]]["people"]) == len(line["people"])


def test_results_of_something_else_are_not_mixed(predict, images, capsys):
    assert predict(images)[0] == 0
    assert predict(images, "--widths")[0] == 2
    assert "was begun with widths False, and not True" in capsys.readouterr().err


def folder_of(parent, *names):
    """A folder of small images of these names."""
    parent.mkdir()
    content = cv2.imencode(".png", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()
    for name in names:
        (parent / name).write_bytes(content)
    return parent


def test_another_folder_is_not_taken_for_done(predict, tmp_path, capsys, caplog, monkeypatch):
    MMLogger.get_current_instance().addHandler(caplog.handler)
    first, second = (folder_of(tmp_path / name, "0.png", "1.png") for name in ("fa", "fb"))
    assert predict(first)[0] == 0
    assert predict(second)[0] == 2
    assert f"was begun with folder '{first}', and not '{second}'" in capsys.readouterr().err
    assert predict(first / "*.png")[0] == 2
    assert f"was begun with folder '{first}', and not None" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "fa" / "more", "2.png")
    status, results, _ = predict("fa")
    assert (status, len(results)) == (0, 3)
    assert "2 of 3 images have results already." in caplog.text


def test_the_same_relative_names_in_another_folder_are_others(
    predict, tmp_path, capsys, monkeypatch
):
    for name, status in (("fa", 0), ("fb", 2)):
        monkeypatch.chdir(folder_of(tmp_path / name, "0.png"))
        assert predict("*.png")[0] == status
    message = f"was begun with folder '{tmp_path / 'fa'}', and not '{tmp_path / 'fb'}'"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[1]", "{", "\xff", "[" * 100_000])
def test_settings_that_are_none(predict, images, tmp_path, capsys, content):
    (tmp_path / "results.jsonl").write_text('{"file": "0.png", "people": []}\n')
    (tmp_path / "results.settings.json").write_text(content, encoding="latin-1")
    assert predict(images)[0] == 2
    assert "results.jsonl' was begun with checkpoint None" in capsys.readouterr().err


def test_other_weights_under_the_same_path_are_not_mixed(predict, checkpoint, tmp_path, capsys):  # noqa: F811
    folder, weights = folder_of(tmp_path / "images", "0.png"), tmp_path / "weights.pth"
    weights.write_bytes(Path(checkpoint).read_bytes())
    assert predict(folder, "--checkpoint", str(weights))[0] == 0
    trained_on = torch.load(checkpoint, weights_only=True)
    trained_on["meta"]["epoch"] = 2
    torch.save(trained_on, weights)
    assert predict(folder, "--checkpoint", str(weights))[0] == 2
    assert "was begun with checkpoint '" in capsys.readouterr().err


def test_what_the_network_is_made_of_counts_and_no_name(predict, checkpoint, tmp_path, capsys):  # noqa: F811
    folder, weights = folder_of(tmp_path / "images", "0.png"), tmp_path / "weights.pth"
    shutil.copy(checkpoint, weights)
    config = tmp_path / "config.py"
    config.write_text(f"_base_ = {str(CONFIGS / 'swahr_tiny_synthetic.py')!r}\n")
    assert predict(folder)[0] == 0
    assert predict(folder, "--config", str(config), "--checkpoint", str(weights))[0] == 0
    config.write_text(f"{config.read_text()}model = dict(test_cfg=dict(flip_test=False))\n")
    assert predict(folder, "--config", str(config))[0] == 2
    assert "was begun with network_and_decoding '" in capsys.readouterr().err


def test_names_of_any_bytes_and_line_separators(predict, tmp_path):
    names = {"caf\udce9.png", "two\u2028lines.png", "two\x85lines.png"}
    folder = folder_of(tmp_path / "images", *names)
    (folder / "broken\udce9.png").write_text("no image")
    for _ in range(2):
        status, results, errors = predict(folder)
        assert (status, {line["file"] for line in results}) == (1, names)
        assert [line["file"] for line in errors] == ["broken\udce9.png"]
        assert len(results) == len(names)
    # as tools/analyze_results.py reads them, also from other writers and of older versions
    read = runpy.run_path(str(ROOT / "tools" / "analyze_results.py"))["_of_lines"]
    person = dict(keypoints=[[1, 2]], keypoint_scores=[0.5], score=0.7)
    found = [dict(file=name, people=[person]) for name in ("two\u2028lines.png", "b.png")]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in found)
    images = [dict(id=i, file_name=line["file"]) for i, line in enumerate(found)]
    annotations = SimpleNamespace(dataset=dict(images=images))
    assert read(text, annotations) == {
        i: [(f"line {i + 1}, person 1", [1, 2, 0.5], 0.7)] for i in range(2)
    }


def test_a_least_score_without_effect_is_refused(predict, images, capsys):
    with pytest.raises(SystemExit) as ended:
        predict(images, "--as-config", "--min-score", "0.5")
    assert ended.value.code == 2
    assert "--min-score: not allowed with argument --as-config" in capsys.readouterr().err


def test_widths_that_a_network_does_not_predict(predict, checkpoint, tmp_path, images, capsys):  # noqa: F811
    """It is named first, and does not keep the name of the results for runs with widths."""
    weights = ["--checkpoint", baseline_of(checkpoint, tmp_path), "--device", "cpu"]
    assert predict(images / "0.png", *weights, "--widths")[0] == 2
    assert "has no scale branch" in capsys.readouterr().err
    assert predict(images / "0.png", *weights)[0] == 0


def test_an_empty_file_of_results_is_no_ones(predict, images, tmp_path):
    (tmp_path / "results.jsonl").touch()
    (tmp_path / "results.settings.json").write_text('{"widths": 7}')
    assert predict(images)[0] == 0


def test_lists_of_windows_programs(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_bytes("a.jpg\r\nb\u2028.jpg\r\n".encode("utf-8-sig"))
    assert [image.path for image in find_images(str(listed))] == ["a.jpg", "b\u2028.jpg"]
    listed.write_bytes("a.jpg\r\n".encode("utf-16"))
    message = r"The list '.*list\.txt' is not UTF-8 .* Save it as UTF-8"
    with pytest.raises(ValueError, match=message):
        find_images(str(listed))


def test_lists_globs_and_single_images(predict, images, tmp_path):
    single = images / "0.png"
    listed = tmp_path / "list.txt"
    listed.write_text(f"{single}\n\n{single}\n{images / '1.png'}\n")
    assert [p.path for p in find_images(str(listed))] == [str(single), str(images / "1.png")]
    assert [p.name for p in find_images(str(single))] == [str(single)]
    assert len(find_images(str(images / "*.png"))) == len(SIZES) - 1
    assert len(find_images(str(images / "**/*.png"))) == len(SIZES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "There are no images in 'nowhere'"),
        (["no\x1b[31mwhere"], r"There are no images in 'no\x1b[31mwhere'"),
        (["images", "--config", "swahr_tinny_synthetic"], "Did you mean 'swahr_tiny_synthetic'"),
        (["images", "--config", "swahr_hrnet_w48_coco"], "no weights for 'swahr_hrnet_w48_coco'"),
        (["images", "--batch-size", "0"], "at least 1"),
        (
            ["images", "--out", "x.json"],
            "x.json': the name has to end in '.jsonl', as in 'x.jsonl'",
        ),
        (["images", "--out", "results"], "results': the name has to end in '.jsonl'"),
        (["images", "--out", "x.errors.jsonl"], "x.errors.jsonl': files beside the results have"),
        (["images", "--out", "x.part1.jsonl"], "x.part1.jsonl': files beside the results have"),
        (["images", "--out", "folder.jsonl"], "folder.jsonl' is a folder. Name the file to write"),
        (["images", "--out", "missing/x.jsonl"], "missing' of the file to write is not there."),
    ],
)
def test_wrong_arguments_are_named(arguments, message, images, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.jsonl").mkdir()
    before = sorted(tmp_path.rglob("*"))
    given = ["--config", "swahr_tiny_synthetic", "--out", "r.jsonl", *arguments]
    if "swahr_hrnet_w48_coco" not in arguments:
        given += ["--checkpoint", "none.pth"]  # the model must not come first
    assert MAIN(given) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def write(path, *names):
    journal = Journal(path)
    for name in names:
        journal.append(dict(file=name, people=[]))
    journal.close()


def names_in(path):
    return [name for name, _ in lines_in(path)]


def test_parts_are_known_by_their_names(tmp_path):
    """Also where a name has characters that globs take for others."""
    output = Output(tmp_path / "r[1].jsonl")
    for name in ("r[1].part0", "r[1].part12", "r[1].part-east", "r[1].part1.old", "r1.part0"):
        write(tmp_path / f"{name}.jsonl", name)
    write(tmp_path / "r[1].errors.part2.jsonl", "broken")
    bring_together(output)
    assert names_in(output.results) == ["r[1].part0", "r[1].part12"]
    assert names_in(output.errors) == ["broken"]
    left = {"r[1].part-east.jsonl", "r[1].part1.old.jsonl", "r1.part0.jsonl"}
    left |= {"r[1].jsonl", "r[1].errors.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_parts_are_merged_once(tmp_path):
    """Also where the merging was stopped after the target was written, before parts were gone."""
    output = Output(tmp_path / "r.jsonl")
    for i in range(2):
        write(tmp_path / f"r.part{i}.jsonl", f"{i}a", f"{i}b", "both")
    output.results.write_bytes((tmp_path / "r.part0.jsonl").read_bytes())
    bring_together(output)
    assert names_in(output.results) == ["0a", "0b", "both", "1a", "1b"]
    assert list(tmp_path.iterdir()) == [output.results]


ELSE = ['{"name": "value"}\n', '{"images": [], "annotations": []}', '[{"file": 1}]', '"x"', "{}\n"]
ELSE += ['{"file": ["a.jpg"]}\n', '{"file": ' + "[" * 100_000 + "\n"]


@pytest.mark.parametrize(
    ("name", "content"),
    [*(("results.jsonl", content) for content in ELSE), ("results.errors.jsonl", '{"mine": 1}\n')],
)
def test_a_file_of_something_else_is_not_written_to(
    predict, images, tmp_path, capsys, name, content
):
    (tmp_path / name).write_text(content)
    assert predict(images)[0] == 2
    error = capsys.readouterr().err
    assert re.search(rf"Line 1 of .*{name}' is no result. Name another file", error)
    assert (tmp_path / name).read_text() == content
    if name == "results.jsonl":
        assert not (tmp_path / "results.settings.json").exists()


def test_only_lines_of_ours_are_cut(tmp_path):
    path, whole = tmp_path / "r.jsonl", '{"file": "a.jpg"}\n'
    for cut_off in ("{", '{"file"', '{"file": "', '{"file": "b.jpg", "wid'):
        path.write_text(whole + cut_off)
        assert names_in(path) == ["a.jpg"]
        write(path, "c.jpg")
        assert path.read_text() == whole + '{"file": "c.jpg", "people": []}\n'
    for other in ('{"files": ', '{"images": []}', " "):
        path.write_text(whole + other)
        with pytest.raises(ValueError, match=r"Line 2 of .*r\.jsonl' is no result"):
            names_in(path)


def command(checkpoint, folder, out, *launcher):  # noqa: F811
    options = ["--config", "swahr_tiny_synthetic", "--checkpoint", checkpoint, "--out", out]
    tool = [*(launcher or [sys.executable]), TOOL]
    return [*map(str, tool), str(folder), *map(str, options), "--workers", "1", "--batch-size", "2"]


@pytest.mark.slow
def test_killed_runs_lose_nothing_and_write_nothing_twice(checkpoint, tmp_path):  # noqa: F811
    folder, out = tmp_path / "images", tmp_path / "results.jsonl"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(60):
        size = (64 * rng.integers(1, 3), 64 * rng.integers(1, 3), 3)
        cv2.imwrite(str(folder / f"{i:03d}.png"), rng.integers(0, 255, size, dtype=np.uint8))
    kills = 0
    while kills < 3:
        before = out.read_bytes().count(b"\n") if out.exists() else 0
        running = subprocess.Popen(
            command(checkpoint, folder, out), env=ENVIRONMENT, start_new_session=True
        )
        while running.poll() is None:
            if out.exists() and out.read_bytes().count(b"\n") >= before + 8:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
                kills += 1
                break
            time.sleep(0.01)
        else:
            pytest.fail("it ended before it was killed")
    subprocess.run(command(checkpoint, folder, out), env=ENVIRONMENT, check=True)
    names = [line["file"] for line in lines(out)]
    assert sorted(names) == [f"{i:03d}.png" for i in range(60)]


@pytest.mark.slow
def test_two_processes_share_the_work(server, checkpoint, images, predict, tmp_path):  # noqa: F811
    """Also what a run of one process has begun; each image is there once."""
    (images / "broken.jpg").write_text("no image")
    _, expected, _ = predict(images)
    out = tmp_path / "two" / "results.jsonl"
    out.parent.mkdir()
    # so many that bringing together takes longer than it takes a process to end
    before = [f"{i}.jpg" for i in range(300_000)]
    out.write_text("".join(f'{{"file": "{name}", "people": []}}\n' for name in before))
    served, address = server
    shutil.copy(checkpoint, served / "random.pth")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    launcher += ["--master_port", "29613"]
    result = subprocess.run(
        command(f"{address}/random.pth", images, out, *launcher),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert f"Images with results: 8 ({out})" in result.stdout, result.stderr
    errors = out.with_suffix(".errors.jsonl")
    assert f"Images that could not be used: 1 ({errors})" in result.stderr
    assert result.stdout.count("Downloading") == 1
    merged = lines(out)
    assert [line["file"] for line in merged[: len(before)]] == before
    ours = {line["file"]: len(line["people"]) for line in merged[len(before) :]}
    assert ours == {line["file"]: len(line["people"]) for line in expected}
    assert [line["file"] for line in lines(errors)] == ["broken.jpg"]
    assert list(out.parent.glob("*.part*")) == []


@pytest.mark.slow
def test_where_one_process_can_not_go_on_the_others_end_too(checkpoint, images, tmp_path):  # noqa: F811
    (tmp_path / "results.errors.jsonl").write_text("not ours\n")  # only the first process reads it
    group = dict(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="29614")
    processes = [
        subprocess.Popen(
            command(checkpoint, images, tmp_path / "results.jsonl"),
            env=dict(ENVIRONMENT, **group, RANK=str(rank), LOCAL_RANK=str(rank)),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        first, second = (process.communicate(timeout=300)[1] for process in processes)
        assert [process.returncode for process in processes] == [2, 2]
        assert "error: Line 1 of" in first
        assert "error: Another process can't begin: ValueError" in second
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Fails:
    """A step of a pipeline."""

    def __call__(self, sample):
        raise KeyError("scale")


def test_a_step_of_the_pipeline_that_fails_is_named(tmp_path):
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, np.zeros((8, 8, 3), np.uint8))
    files = ImageFiles([ImageFile("a.png", path)], [Fails()], {})
    assert files[0].error == "`Fails` raised KeyError: 'scale'"
