"""Trainings that are killed, at any moment, and go on as if nothing had happened."""

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmpose.registry import HOOKS

from swahr_mmpose.checkpoints.reading import read_checkpoint

from ..helpers import MIM, run_on_cpu
from ..micro_training import logged_losses, micro_config, train

pytestmark = pytest.mark.slow

ITERATIONS = 60


def one_process(function, *args):
    """Call a function in a fresh process, whose forks share nothing with the tests."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def forked(function, *args, errors):
    """The id of a process that calls a function; what it prints goes into a file."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        out = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        function(*args)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def is_over(process, options=os.WNOHANG):
    """Whether a process has ended by itself; raises if it did so with an error."""
    done, status = os.waitpid(process, options)
    assert not done or os.waitstatus_to_exitcode(status) == 0
    return bool(done)


def partial_files(folder):
    return [path for path in folder.glob("*.partial") if path.name != "last_checkpoint.partial"]


def wait_for_writing(process, folder, times):
    """Wait until a checkpoint is being written for the nth time."""
    was_writing = False
    while times and not is_over(process):
        is_writing = bool(partial_files(folder))
        times -= is_writing and not was_writing
        was_writing = is_writing
        time.sleep(2e-4)
    return not times


def wait_a_while(process, seconds):
    """Wait so long, or until the process is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_over(process):
            return False
        time.sleep(5e-3)
    return True


def check_checkpoints(folder):
    """All files under final names are whole, and the last one is among them."""
    for path in folder.glob("*.pth"):
        assert "optimizer" in read_checkpoint(path)
    with contextlib.suppress(FileNotFoundError):
        assert Path((folder / "last_checkpoint").read_text()).is_file()


def train_under_fire(data, folder, kills):
    """Train to the end, killed again and again; the number of kills while a file was written."""
    folder.mkdir()
    chance = random.Random(kills)
    config = micro_config(data, folder, ITERATIONS)
    config.resume = True
    start, while_writing = time.monotonic(), 0
    process = forked(train, config, errors=folder / "errors.txt")
    wait_for_writing(process, folder, 1)
    starting = time.monotonic() - start
    for number in range(kills):
        if number % 2:
            alive = wait_for_writing(process, folder, chance.choice([1, 2, 3]))
        else:
            alive = wait_a_while(process, chance.uniform(0, 1.2 * starting))
        assert alive, f"over after {number} of {kills} kills: more iterations are needed"
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        while_writing += bool(partial_files(folder))
        check_checkpoints(folder)
        process = forked(train, config, errors=folder / "errors.txt")
    assert is_over(process, options=0)
    return while_writing


def train_alone(data, folder):
    train(micro_config(data, folder, ITERATIONS))


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.long)])
def test_a_training_that_is_killed_again_and_again_is_the_same(synthetic_data, tmp_path, kills):
    """Bit-equal losses and weights; the half of the kills is aimed at files being written."""
    one_process(train_alone, synthetic_data, tmp_path / "whole")
    folder = tmp_path / "killed"
    start = time.monotonic()
    while_writing = one_process(train_under_fire, synthetic_data, folder, kills)
    seconds = time.monotonic() - start
    print(f"{kills} kills in {seconds:.0f} s, {while_writing} of them while a file was written")
    assert while_writing >= kills // 4

    expected = logged_losses(tmp_path / "whole")
    assert logged_losses(folder) == expected
    assert sorted(expected) == list(range(1, ITERATIONS + 1))
    assert not list(folder.glob("*.partial"))
    assert sorted(path.name for path in folder.glob("iter_*.pth"))
    whole, killed = (
        read_checkpoint(tmp_path / name / f"iter_{ITERATIONS}.pth") for name in ("whole", "killed")
    )
    for part in ("state_dict", "optimizer", "param_schedulers"):
        assert_same(whole[part], killed[part])


def short_of_space(folder):
    """Commands, before one's own, that leave room in a folder for less than a checkpoint.

    A small file system of its own where the system lets us mount one, which Linux does in a
    namespace; else a limit on the size of files.
    """
    used = sum(path.stat().st_size for path in folder.rglob("*"))
    room = min(path.stat().st_size for path in folder.glob("*.pth")) // 2
    copy = folder.with_name("copy")
    mount = f"cp -r {folder} {copy} && mount -t tmpfs -o size={used + room} none {folder}"
    script = f"{mount} && cp -r {copy}/. {folder} && rm -r {copy} && "
    # what is there afterwards goes back to where it can be seen
    script += f'{{ "$@"; code=$?; cp -r {folder} {copy}; exit $code; }}'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if shutil.which("unshare") and subprocess.run([*command, "true"]).returncode == 0:
        shutil.rmtree(copy)
        return command, copy
    shutil.rmtree(copy, ignore_errors=True)
    return ["sh", "-c", f'ulimit -f {room // 512}; exec "$@"', "sh"], folder


def test_a_full_disk_ends_a_training_and_breaks_nothing(synthetic_data, tmp_path):
    folder = tmp_path / "work"
    config = micro_config(synthetic_data, folder, iterations=2)
    train(config)
    config.train_cfg.max_iters = 4
    config.dump(tmp_path / "config.py")
    command, folder = short_of_space(folder)
    command += [MIM, "train", "mmpose", tmp_path / "config.py", "--resume"]
    result = run_on_cpu(*command, "--work-dir", tmp_path / "work", cwd=tmp_path)
    assert result.returncode != 0
    assert "iter_3.pth' could not be written, and what was saved before is as it was" in (
        result.stderr
    )
    last = (folder / "last_checkpoint").read_text()
    assert Path(last).name == "iter_2.pth"
    assert read_checkpoint(folder / "iter_2.pth")["meta"]["iter"] == 2
    assert sorted(path.name for path in folder.glob("iter_*")) == ["iter_1.pth", "iter_2.pth"]


@HOOKS.register_module()
class NoteInputs(Hook):
    """Notes a number for the images of each step."""

    def __init__(self):
        self.noted = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.noted.append(sum(image.sum().item() for image in data_batch["inputs"]))


def test_a_training_by_epochs_goes_on_with_the_same_augmentation(synthetic_data, tmp_path):
    """Workers draw something new in each epoch, and what they would have drawn without the stop."""
    losses, images = [], []
    for name, stops in (("whole", [3]), ("stopped", [2, 3])):
        for epochs in stops:
            config = micro_config(synthetic_data, tmp_path / name)
            config.train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=epochs)
            config.default_hooks.checkpoint.by_epoch = True
            config.log_processor.by_epoch = True
            config.train_dataloader.update(
                num_workers=2, sampler=dict(type="DefaultSampler", shuffle=False)
            )
            config.custom_hooks.append(dict(type="NoteInputs"))
            config.resume = True
            (hook,) = (hook for hook in train(config).hooks if isinstance(hook, NoteInputs))
        losses.append(logged_losses(tmp_path / name))
        images.append(hook.noted)
    assert len(losses[0]) == len(set(images[0])) == 12
    assert losses[0] == losses[1]
    assert images[0][8:] == images[1]


def assert_same(one, other):
    """Bit-equal, whatever they hold."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other):
            assert_same(*pair)
    else:
        assert torch.equal(one, other) if torch.is_tensor(one) else one == other
