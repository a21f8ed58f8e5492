"""Curves of trainings, through the command line's door."""

import importlib.util
import json
import sys

import cv2
import numpy as np
import pytest

from ..helpers import ROOT


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("plot_log", ROOT / "tools/plot_log.py")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up
    sys.modules["plot_log"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["plot_log"]


def write(folder, part, lines, end=""):
    path = folder / part / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + end)


def training(steps, factor=1.0):
    return [
        dict(loss=factor / step, loss_pull=0.1, lr=1e-3, epoch=1, iter=step, time=9.0, step=step)
        for step in steps
    ]


def test_parts_of_a_run_are_put_together_and_ap_lies_at_its_iteration(tool, tmp_path):
    ap = {"coco/AP": 0.5, "coco/AP (M)": 0.4, "data_time": 1.0, "step": 1}
    write(tmp_path, "2026_1", [*training([50, 100]), ap, *training([150])])
    write(tmp_path, "2026_2", [*training([150, 200], 2.0), dict(ap, step=2)], end='{"loss": 0.')
    curves = tool.read_curves(str(tmp_path))
    assert curves.training["loss"] == {50: 1 / 50, 100: 1 / 100, 150: 2 / 150, 200: 2 / 200}
    assert curves.validation["coco/AP"] == {100: 0.5, 200: 0.5}
    assert tool.panel_names({"run": curves}) == ["loss", "loss_pull", "lr", "coco/AP"]


def test_validations_counted_in_iterations_stay_where_they_are(tool, tmp_path):
    """The log may have fewer lines than there were validations."""
    write(tmp_path, "1", [*training([50]), {"coco/AP": 0.1, "step": 60}, *training([100])])
    assert tool.read_curves(str(tmp_path)).validation["coco/AP"] == {60: 0.1}


@pytest.mark.parametrize("number", [1, 9])
def test_runs_have_colours_or_dashes_of_their_own(tool, tmp_path, number):
    for run in range(number):
        write(tmp_path / f"run{run}", "1", training([50, 100], run + 1))
    folders = [str(tmp_path / f"run{run}") for run in range(number)]
    out = tmp_path / "plot.png"
    assert tool.main([*folders, "--out", str(out)]) == 0
    drawn = cv2.imread(str(out))
    assert drawn.shape[1] > 1000
    figure = tool.figure_of({folder: tool.read_curves(folder) for folder in folders})
    axes = figure.axes[0]
    assert axes.get_title() == "loss"
    styles = {(str(line.get_color()), line.get_linestyle()) for line in axes.lines}
    assert len(styles) == number
    for line, factor in zip(axes.lines, range(1, number + 1)):
        np.testing.assert_allclose(line.get_ydata(), [factor / 50, factor / 100])


def test_losses_have_one_scale_and_a_log_axis_says_so(tool, tmp_path):
    def scales(folder):
        figure = tool.figure_of({"run": tool.read_curves(str(folder))})
        return {axes.get_title(): (axes.get_yscale(), axes.get_ylabel()) for axes in figure.axes}

    steps = (50, 100, 5000)
    write(tmp_path / "positive", "1", training(steps))
    assert scales(tmp_path / "positive") == {
        "loss": ("log", "logarithmic"),
        "loss_pull": ("log", "logarithmic"),
        "lr": ("linear", ""),
    }
    # zero has no place on such an axis
    write(tmp_path / "zero", "1", [dict(line, loss_pull=0.0) for line in training(steps)])
    assert {scale for scale, _ in scales(tmp_path / "zero").values()} == {"linear"}


def test_a_single_validation_lies_among_the_iterations(tool, tmp_path):
    write(tmp_path, "1", [*training(range(10, 201, 10)), {"coco/AP": 0.4, "step": 1}])
    figure = tool.figure_of({"run": tool.read_curves(str(tmp_path))})
    last = figure.axes[-1]
    assert last.get_title() == "coco/AP"
    low, high = last.get_xlim()
    assert low <= 10 < 200 <= high
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in last.get_xticklabels() if label.get_visible()]
    assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:]))


def test_what_is_wrong_is_named(tool, tmp_path, capsys):
    def error_of(*arguments):
        assert tool.main([str(argument) for argument in arguments]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: ")
        return error

    assert "no folder" in error_of(tmp_path / "nowhere")
    assert "no log" in error_of(tmp_path)
    write(tmp_path / "test", "1", [{"coco/AP": 0.5, "step": 0}])
    assert "tests only" in error_of(tmp_path / "test")
    write(tmp_path / "broken", "1", [], end='{"loss"\n{"loss": 1.0, "step": 1}\n')
    assert "Line 1" in error_of(tmp_path / "broken")
    for number, line in enumerate([[1, 2], 3, dict(loss=1.0, step=None), dict(loss=1, step="1")]):
        write(tmp_path / f"odd{number}", "1", [*training([1]), line, *training([2])])
        error = error_of(tmp_path / f"odd{number}")
        assert f"Line 2 of '{tmp_path / f'odd{number}'}/1/vis_data/scalars.json' is " in error
    write(tmp_path / "good", "1", training([1]))
    assert "nowhere" in error_of(tmp_path / "good", "--out", tmp_path / "nowhere/plot.png")
