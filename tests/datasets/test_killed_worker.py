"""A process that reads images is killed: training and prediction end with a message."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..helpers import CONFIGS, MIM, ROOT
from ..micro_training import micro_config

pytestmark = pytest.mark.slow


def children(process):
    """Ids of the processes that a process started."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(own) for task in tasks for own in (task / "children").read_text().split()]
    except OSError:
        return []


def kill_worker(command, folder, depth, ready, output="log.txt"):
    """Start a command, kill -9 a process that reads images, and see it end soon, with a message.

    Args:
        command: What to start.
        folder: Where it runs.
        depth: Generations from the command to the processes that read.
        ready: What must be written before the kill.
        output: The file in which it is written.
    """
    log = folder / "log.txt"
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1")
    with log.open("w") as stream:
        run = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        workers = []
        for _ in range(2400):
            time.sleep(0.05)
            assert run.poll() is None, log.read_text()[-3000:]
            written = folder / output
            if not (written.is_file() and re.search(ready, written.read_text())):
                continue
            workers = [run.pid]
            for _ in range(depth):
                workers = [child for process in workers for child in children(process)]
            if workers:
                break
        os.kill(workers[0], signal.SIGKILL)
        assert run.wait(timeout=60) != 0
        text = log.read_text()
        # the second where it was killed while a batch was being handed over
        ends = "DataLoader worker .*(killed by signal: Killed|exited unexp)|Connection reset by"
        assert re.search(ends, text), text[-3000:]
    finally:
        run.kill()


def test_training_ends_with_a_message(synthetic_data, tmp_path):
    config = micro_config(synthetic_data, tmp_path / "work", iterations=10**6)
    config.train_dataloader.update(num_workers=1, persistent_workers=True)
    config.default_hooks.checkpoint.interval = 10**6
    config.dump(str(tmp_path / "micro.py"))
    command = [MIM, "train", "mmpose", tmp_path / "micro.py"]
    kill_worker(command, tmp_path, depth=2, ready=r"Iter\(train\)")


def test_prediction_ends_with_a_message_and_goes_on(synthetic_data, tmp_path):
    images = sorted((synthetic_data / "images" / "train").iterdir())
    many = tmp_path / "images"
    many.mkdir()
    for number in range(200):
        (many / f"{number}.jpg").symlink_to(images[number % len(images)])
    out = tmp_path / "results.jsonl"
    command = [sys.executable, ROOT / "tools" / "predict.py", many, "--out", out, "--workers", "1",
               "--config", CONFIGS / "swahr_tiny_synthetic.py", "--device", "cpu"]  # fmt: skip
    kill_worker(command, tmp_path, depth=1, ready='"file"', output=out.name)
    done = len(out.read_text().splitlines())
    assert 0 < done < 200


_FULL_PIPE = """
import os, signal
import numpy as np
from swahr_mmpose.apis.image_stream import ImageFiles, Prepared, load

class Large(ImageFiles):
    def __getitem__(self, index):
        return Prepared(str(index), dict(image=np.zeros(10**6)), "")

if __name__ == "__main__":
    next(load(Large([None] * 100, [], {}), 2))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_the_process_that_started_them(tmp_path):
    (tmp_path / "killed.py").write_text(_FULL_PIPE)
    # whoever lives on keeps the pipe open
    run = subprocess.Popen([sys.executable, tmp_path / "killed.py"], stdout=subprocess.PIPE)
    run.communicate(timeout=60)
    assert run.returncode == -signal.SIGKILL
