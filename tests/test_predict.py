"""`tools/predict.py`: any number of pictures to a file, stopped and gone on with."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.apis.journal import Journal, files_in, merge
from swahr_mmpose.apis.picture_stream import find_pictures

from .helpers import ROOT
from .test_inference import checkpoint  # noqa: F401  (a fixture)

TOOL = ROOT / "tools" / "predict.py"
SIZES = [(64, 64), (96, 64), (64, 100), (70, 70), (64, 64), (130, 64), (64, 64), (96, 64)]


@pytest.fixture
def pictures(tmp_path):
    """A folder with pictures of several sizes, one of them in a folder in it."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, (w, h) in enumerate(SIZES):
        name = f"more/{i}.png" if i == 3 else f"{i}.png"
        assert cv2.imwrite(str(folder / name), rng.integers(0, 255, (h, w, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def predict(checkpoint, tmp_path):  # noqa: F811
    """The tool, in this process: its exit status, and what it wrote."""
    main = runpy.run_path(str(TOOL))["main"]

    def run(source, *options):
        out = tmp_path / "results.jsonl"
        required = [
            "--config",
            "swahr_tiny_synthetic",
            "--checkpoint",
            checkpoint,
            "--workers",
            "0",
        ]
        status = main([str(source), *required, "--out", str(out), *options])
        return status, lines(out), lines(tmp_path / "errors.jsonl")

    return run


def lines(path):
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_people_are_those_of_the_inferencer(predict, pictures, checkpoint):  # noqa: F811
    # one at a time: sums of a batch differ in the last digits, and in noise many maxima are equal
    status, results, errors = predict(pictures, "--widths", "--batch-size", "1")
    assert (status, errors) == (0, [])
    assert {line["file"] for line in results} == {
        picture.name for picture in find_pictures(str(pictures))
    }
    inferencer = BottomupInferencer("swahr_tiny_synthetic", checkpoint, device="cpu")
    for line in results:
        (result,) = inferencer(str(pictures / line["file"]))
        people = result["predictions"][0]
        assert len(people) == len(line["people"])
        height, width = cv2.imread(str(pictures / line["file"])).shape[:2]
        assert (line["width"], line["height"]) == (width, height)
        for ours, expected in zip(line["people"], people):
            # rounded to thousandths
            np.testing.assert_allclose(ours["keypoints"], expected["keypoints"], atol=2e-3)
            np.testing.assert_allclose(
                ours["keypoint_widths"], expected["keypoint_widths"], atol=2e-3
            )
            np.testing.assert_allclose(ours["score"], expected["bbox_score"], atol=1e-4)
            np.testing.assert_allclose(ours["bbox"], expected["bbox"][0], atol=2e-3)


def test_what_can_not_be_used_is_listed_and_tried_again(predict, pictures):
    (pictures / "broken.jpg").write_text("no picture")
    (pictures / "empty.png").touch()
    cv2.imwrite(str(pictures / "thin.png"), np.zeros((2, 200, 3), np.uint8))
    status, results, errors = predict(pictures)
    assert status == 1
    assert len(results) == len(SIZES)
    said = {line["file"]: line["error"] for line in errors}
    assert "can't be read as a picture" in said["broken.jpg"]
    assert "is an empty file" in said["empty.png"]
    assert "factor of more than 32" in said["thin.png"]

    for name in ("broken.jpg", "empty.png", "thin.png"):
        cv2.imwrite(str(pictures / name), np.zeros((64, 64, 3), np.uint8))
    status, results, errors = predict(pictures)
    assert (status, errors) == (0, [])
    names = [line["file"] for line in results]
    assert len(names) == len(set(names)) == len(SIZES) + 3


def test_a_line_that_was_cut_off_is_done_again(predict, pictures, tmp_path):
    _, complete, _ = predict(pictures)
    out = tmp_path / "results.jsonl"
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) * 2 // 3])
    status, results, _ = predict(pictures)
    assert status == 0
    by_name = {line["file"]: line for line in results}
    assert len(by_name) == len(results) == len(complete)
    for line in complete:
        again = by_name[line["file"]]
        assert len(again["people"]) == len(line["people"])


def test_results_of_something_else_are_not_mixed(predict, pictures, capsys):
    assert predict(pictures)[0] == 0
    assert predict(pictures, "--widths")[0] == 2
    assert "was begun with widths False, and not True" in capsys.readouterr().err


def test_lists_globs_and_single_pictures(predict, pictures, tmp_path):
    single = pictures / "0.png"
    listed = tmp_path / "list.txt"
    listed.write_text(f"{single}\n\n{single}\n{pictures / '1.png'}\n")
    assert [p.path for p in find_pictures(str(listed))] == [str(single), str(pictures / "1.png")]
    assert [p.name for p in find_pictures(str(single))] == [str(single)]
    assert len(find_pictures(str(pictures / "*.png"))) == len(SIZES) - 1
    assert len(find_pictures(str(pictures / "**/*.png"))) == len(SIZES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--config", "swahr_tiny_synthetic"], "There are no pictures in 'nowhere'"),
        (["nowhere", "--config", "swahr_tinny_synthetic"], "Did you mean 'swahr_tiny_synthetic'"),
        (["nowhere", "--config", "swahr_hrnet_w48_coco"], "no weights for 'swahr_hrnet_w48_coco'"),
        (["nowhere", "--config", "swahr_tiny_synthetic", "--batch-size", "0"], "at least 1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path, capsys):
    main = runpy.run_path(str(TOOL))["main"]
    given = [*arguments, "--out", str(tmp_path / "r.jsonl")]
    if "w48" not in arguments[2]:
        given += ["--checkpoint", "none.pth"]
    assert main(given) == 2
    assert message in capsys.readouterr().err


def test_journals_are_merged_once(tmp_path):
    """Also where the merging was stopped after the target was written, before parts were gone."""
    target, parts = tmp_path / "r.jsonl", [tmp_path / f"r.part{i}.jsonl" for i in range(2)]
    for i, part in enumerate(parts):
        journal = Journal(part)
        for name in (f"{i}a", f"{i}b", "both"):
            journal.append(dict(file=name, people=[]))
        journal.close()
    target.write_bytes(parts[0].read_bytes())
    merge(parts, target)
    assert sorted(files_in(target)) == ["0a", "0b", "1a", "1b", "both"]
    assert not any(part.exists() for part in parts)


def test_a_file_of_something_else_is_not_written_to(predict, pictures, tmp_path, capsys):
    (tmp_path / "results.jsonl").write_text('{"name": "value"}\n')
    assert predict(pictures)[0] == 2
    assert "Line 1 of " in capsys.readouterr().err
    assert (tmp_path / "results.jsonl").read_text() == '{"name": "value"}\n'


def command(checkpoint, folder, out, *launcher):  # noqa: F811
    options = ["--config", "swahr_tiny_synthetic", "--checkpoint", checkpoint, "--out", out]
    tool = [*(launcher or [sys.executable]), TOOL]
    return [*map(str, tool), str(folder), *map(str, options), "--workers", "1", "--batch-size", "2"]


@pytest.mark.slow
def test_killed_runs_lose_nothing_and_write_nothing_twice(checkpoint, tmp_path):  # noqa: F811
    folder, out = tmp_path / "pictures", tmp_path / "results.jsonl"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(60):
        size = (64 * rng.integers(1, 3), 64 * rng.integers(1, 3), 3)
        cv2.imwrite(str(folder / f"{i:03d}.png"), rng.integers(0, 255, size, dtype=np.uint8))
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    kills = 0
    while kills < 3:
        before = out.read_bytes().count(b"\n") if out.exists() else 0
        running = subprocess.Popen(
            command(checkpoint, folder, out), env=environment, start_new_session=True
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
    subprocess.run(command(checkpoint, folder, out), env=environment, check=True)
    names = [line["file"] for line in lines(out)]
    assert sorted(names) == [f"{i:03d}.png" for i in range(60)]


@pytest.mark.slow
def test_two_processes_share_the_work(checkpoint, pictures, predict, tmp_path):  # noqa: F811
    """Also what a run of one process has begun; each picture is there once."""
    (pictures / "broken.jpg").write_text("no picture")
    _, expected, _ = predict(pictures)
    out = tmp_path / "two" / "results.jsonl"
    out.parent.mkdir()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    launcher += ["--master_port", "29613"]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    result = subprocess.run(
        command(checkpoint, pictures, out, *launcher),
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "Results of 8 pictures" in result.stdout, result.stderr
    ours = {line["file"]: len(line["people"]) for line in lines(out)}
    assert ours == {line["file"]: len(line["people"]) for line in expected}
    assert [line["file"] for line in lines(out.parent / "errors.jsonl")] == ["broken.jpg"]
    assert list(out.parent.glob("*.part*")) == []
