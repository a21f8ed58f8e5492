"""Fixtures shared by all tests."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import swahr_mmpose  # noqa: F401  (registers everything)

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def gpu(monkeypatch) -> str:
    """The device of the tests marked `gpu`, which are skipped without one.

    With SWAHR_REHEARSE=1 they run on the CPU, to see that the tests themselves work.
    """
    if os.environ.get("SWAHR_REHEARSE") == "1":
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    # what is compared with the CPU has to be computed in full float32
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return "cuda"


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request) -> str:
    """Each device in turn: for numbers that hold on all."""
    return "cpu" if request.param == "cpu" else request.getfixturevalue("gpu")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real images, as SWAHR_REAL_DATA says."""
    folder = os.environ.get("SWAHR_REAL_DATA")
    if not folder:
        pytest.skip("real images are needed: set SWAHR_REAL_DATA to a folder with coco/")
    return Path(folder)


@pytest.fixture(scope="session")
def synthetic_data(tmp_path_factory) -> Path:
    """A small generated dataset with parts `train` and `val`."""
    from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

    folder = tmp_path_factory.mktemp("synthetic")
    for name, seed in (("train", 0), ("val", 1)):
        generate_dataset(folder, name, SyntheticOptions(num_images=8, seed=seed, long_side=256))
    return folder
