"""The ablation: that runs are comparable, and that the report says what the records say."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from swahr_mmpose.models.losses import WeightAdaptiveLoss

from ...helpers import ROOT

sys.path.insert(0, str(ROOT / "tools" / "research" / "ablation"))
from ablation_measures import alpha_and_wanted, alpha_under_noise
from ablation_report import confidence_interval, figure_of, fill_in, load_records, tables
from ablation_run import Budget, Job, build_config, initialize, read_curves
from ablation_variants import MAIN_VARIANTS, VARIANTS, DetachedWeightLoss

BUDGET = Budget(iterations=28, batch_size=8, bf16=False, train_images=4, val_images=4)


def job(tmp_path, variant, seed=0):
    return Job("drawn", variant, seed, BUDGET, tmp_path, tmp_path, tmp_path / "record.json")


def build(tmp_path, variant, seed):
    config = build_config(job(tmp_path, variant, seed))
    init_default_scope("mmpose")
    model = MODELS.build(config.model)
    initialize(model, seed)
    return model.state_dict()


@pytest.mark.parametrize("variant", [name for name in MAIN_VARIANTS if name != "higherhrnet"])
def test_equal_seeds_start_from_equal_weights(tmp_path, variant):
    baseline, other = (build(tmp_path, name, 3) for name in ("higherhrnet", variant))
    assert all(torch.equal(value, other[name]) for name, value in baseline.items())
    assert not torch.equal(
        baseline["backbone.conv1.weight"], build(tmp_path, variant, 4)["backbone.conv1.weight"]
    )


def test_learning_rate_and_schedule_follow_the_budget(tmp_path):
    config = build_config(job(tmp_path, "swahr"))
    assert config.optim_wrapper.optimizer.lr == pytest.approx(3e-3 / 2)
    assert [(step.get("begin", 0), step["end"]) for step in config.param_scheduler] == [
        (0, 2),
        (2, 28),
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_builds_with_its_losses(tmp_path, variant):
    head = MODELS.build(build_config(job(tmp_path, variant)).model).head
    expected = VARIANTS[variant]
    assert type(head).__name__ == expected["type"]
    assert type(head.heatmap_loss).__name__ == expected["heatmap_loss"]["type"]
    assert head.heatmap_loss.gamma == expected["heatmap_loss"]["gamma"]
    assert head.decoder.sigma == expected.get("decoder", {}).get("sigma", 2.0)


def test_a_detached_weight_has_the_value_and_not_the_gradient():
    pred = torch.rand(1, 2, 4, 4, requires_grad=True)
    target = torch.rand(1, 2, 4, 4)
    weighted = WeightAdaptiveLoss()(pred, target)
    detached = DetachedWeightLoss()(pred, target)
    assert detached.item() == pytest.approx(weighted.item())
    (whole,) = torch.autograd.grad(weighted, pred)
    (part,) = torch.autograd.grad(detached, pred)
    # the part that is left: 2·W·(P − G) over the number of pixels
    weight = target**0.01 * (1 - pred).abs() + (1 - target**0.01) * pred.abs()
    torch.testing.assert_close(part, 2 * weight.detach() * (pred - target).detach() / 32)
    assert not torch.allclose(whole, part)


def test_wanted_alpha_is_that_of_the_lowest_loss(tmp_path):
    """Where the prediction is a narrower Gaussian, about the α that narrows the target so much."""
    head = MODELS.build(build_config(job(tmp_path, "sahr")).model).head
    y, x = np.mgrid[:40, :40]
    target = np.exp(-((x - 20) ** 2 + (y - 18) ** 2) / 8).astype(np.float32)
    alpha = np.full((40, 40), 0.3, np.float32)
    heatmap = target**1.05
    head.scale_loss.loss_weight = 0.0
    mean, wanted = alpha_and_wanted(alpha, heatmap, np.array([20, 18]), head)
    assert mean == pytest.approx(0.3)
    assert wanted == pytest.approx(0.05, rel=0.05)  # to first order
    head.scale_loss.loss_weight = 1.0
    assert 0 < alpha_and_wanted(alpha, heatmap, np.array([20, 18]), head)[1] < wanted
    assert alpha_and_wanted(alpha, heatmap, np.array([20, 3]), head) is None


def test_noise_of_labels_is_what_alpha_comes_from():
    assert alpha_under_noise(0.0) == pytest.approx((0, 0), abs=1e-12)
    for deviation in (0.5, 1.0):
        at_place, whole = alpha_under_noise(deviation)
        assert at_place < 0 < whole
    weak = [alpha_under_noise(1.0, regulariser=weight)[1] for weight in (1.0, 0.1, 0.0)]
    assert weak[0] < weak[1] < weak[2]


def test_interval_of_paired_differences():
    # t(0.975, 2) = 4.303, standard error 1/√3
    low, high = confidence_interval([1, 2, 3])
    assert (low, high) == pytest.approx((2 - 4.3027 / np.sqrt(3), 2 + 4.3027 / np.sqrt(3)), 1e-4)
    assert np.isnan(confidence_interval([1])).all()


def record(variant, seed, ap, **settings):
    metrics = {f"coco/{name}": ap for name in ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)")}
    return dict(
        variant=variant,
        seed=seed,
        settings=dict(iterations=5, **settings),
        versions=dict(date="2026-01-01", torch="2"),
        metrics=metrics,
        curves=dict(step=[1, 2, 3], foreground_share_s2=[0.1, 0.2, 0.3]),
    )


def write(folder, *records):
    folder.mkdir(parents=True)
    for entry in records:
        (folder / f"{entry['variant']}_seed{entry['seed']}.json").write_text(json.dumps(entry))


def test_tables_pair_equal_seeds(tmp_path):
    write(
        tmp_path / "x",
        *(record("higherhrnet", seed, ap) for seed, ap in ((0, 0.2), (1, 0.3), (5, 0.9))),
        *(record("swahr", seed, ap) for seed, ap in ((0, 0.21), (1, 0.33))),
    )
    text = tables(load_records(tmp_path / "x"))
    assert "| HigherHRNet | 3 | 46.7 ± 37.9 |" in text
    assert "| + SWAHR | 2 | 27.0 ± 8.5 |" in text
    # mean of 1 and 3; t(0.975, 1) = 12.706 times the standard error, 1
    assert "| + SWAHR | +2.0 [-10.7, +14.7] |" in text
    assert "| + SWAHR | 10 % | 20 % | 30 % |" in text


def test_records_of_other_settings_are_not_mixed(tmp_path):
    write(tmp_path / "x", record("swahr", 0, 0.1), record("swahr", 1, 0.1, bf16=True))
    with pytest.raises(ValueError, match="made with other settings"):
        load_records(tmp_path / "x")


@pytest.mark.parametrize("seeds", [1, 2])
def test_plots_say_what_there_is(tmp_path, seeds):
    rng = np.random.default_rng(0)
    records = [record(v, s, 0.1 + s / 100) for v in VARIANTS for s in range(seeds)]
    for entry in records:
        entry["widths"] = dict(
            people=[[20.0, 4.0], [100.0, 4.1]], keypoint_types=rng.uniform(0.99, 1.01, 17).tolist()
        )
    write(tmp_path / "x", *records)
    figure = figure_of(load_records(tmp_path / "x"))
    figure.draw_without_rendering()
    plt.close(figure)
    labels = " ".join(axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes)
    assert ("95 % interval" in labels) == (seeds > 1)
    assert ("each seed" in labels) == (seeds > 1)
    assert ("standard deviation of the seeds" in labels) == (seeds > 1)
    assert len({str(line.get_color()) for line in figure.axes[1].lines}) == len(VARIANTS)
    # the legend is beside the plots
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(VARIANTS)
    box = legend.get_window_extent()
    assert not any(axes.get_window_extent().overlaps(box) for axes in figure.axes)


def test_page_without_a_place_for_an_experiment_is_reported():
    page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb"
    assert fill_in(page, "x", "new") == "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb"
    with pytest.raises(ValueError, match="no part <!-- begin y -->"):
        fill_in(page, "y", "new")


def test_curves_of_a_resumed_run_are_one(tmp_path):
    for part, steps in (("1", (1, 2)), ("2", (2, 3))):
        log = tmp_path / part / "vis_data" / "scalars.json"
        log.parent.mkdir(parents=True)
        lines = (json.dumps(dict(step=s, loss=s + int(part), lr=1)) for s in steps)
        # the last line is one that a kill cut
        log.write_text("".join(f"{line}\n" for line in lines) + '{"step": 3, "lo')
    assert read_curves(tmp_path) == dict(step=[1, 2, 3], loss=[2, 4, 5])


SMALL = ["--batch-size", "2", "--train-images", "4", "--val-images", "2"]


def command_of(folder, *args):
    tool = ROOT / "tools" / "research" / "ablation"
    return [sys.executable, str(tool), "--records", str(folder / "records"), *args]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_runs_are_made_once_and_reported(run, tmp_path, monkeypatch):
    few = ["--seeds", "0", "--variants", "higherhrnet", "swahr_learned", "--iterations", "3"]
    arguments = ["run", "drawn_scratch", *few, *SMALL]
    command = command_of(tmp_path, *arguments)
    result = subprocess.run(command, text=True, capture_output=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "2 runs to do" in result.stdout
    made = {path.name: path.read_text() for path in (tmp_path / "records/drawn_scratch").iterdir()}
    assert sorted(made) == ["higherhrnet_seed0.json", "swahr_learned_seed0.json"]
    learned = json.loads(made["swahr_learned_seed0.json"])
    assert {"AP", "AP (L)"} <= {key.replace("coco/", "") for key in learned["metrics"]}
    assert len(learned["widths"]["keypoint_types"]) == 17

    monkeypatch.chdir(tmp_path)
    assert "0 runs to do" in run(*command[1:])[1]
    code, _, error = run(*command[1:-1], 3)
    assert code
    assert "was made with `val_images` 2, and this would be made with 3" in error

    page = tmp_path / "results.md"
    parts = ("alpha_under_noise", "drawn_scratch")
    page.write_text("\n".join(f"<!-- begin {part} -->\n<!-- end {part} -->" for part in parts))
    code, _, error = run(*command_of(tmp_path, "report", "--out", page)[1:])
    assert code == 0, error
    assert "| + SWAHR, learned weight | 1 |" in page.read_text()
    assert (tmp_path / "images" / "ablation_drawn_scratch.png").exists()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_at_its_checkpoint(tmp_path):
    """And leaves the record of one that was not, with the same losses."""
    options = ["run", "drawn_scratch", *SMALL, "--iterations", "8"]
    options += ["--variants", "swahr", "--seeds", "0"]
    records = []
    for name in ("whole", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        command = command_of(folder, *options)
        work_dir = folder / "work_dirs" / "ablation" / "drawn_scratch" / "swahr_seed0"
        if name == "killed":
            with (folder / "first.txt").open("w") as out:
                process = subprocess.Popen(
                    command, cwd=folder, stdout=out, stderr=out, start_new_session=True
                )
                while not list(work_dir.glob("iter_[34].pth")):
                    assert process.poll() is None
                    time.sleep(0.02)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            assert not (folder / "records").exists()
        result = subprocess.run(command, text=True, capture_output=True, cwd=folder)
        assert result.returncode == 0, result.stderr
        # before the test after training, MMEngine reads the last checkpoint once more
        log = result.stdout + result.stderr
        resumed = set(map(int, re.findall(r"resumed epoch: 0, iter: (\d+)", log))) - {8}
        assert bool(resumed) == (name == "killed")
        records.append(json.loads((folder / "records/drawn_scratch/swahr_seed0.json").read_text()))
    for part in ("curves", "metrics", "widths"):
        assert records[0][part] == records[1][part]


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ("drawn", "run pretraining --variants higherhrnet --seeds 0"),
        ("real_w32", "set SWAHR_REAL_DATA"),
    ],
)
def test_what_a_run_needs_is_named(run, tmp_path, monkeypatch, experiment, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWAHR_REAL_DATA", raising=False)
    code, _, error = run("research/ablation", "run", experiment)
    assert code
    assert message in error
