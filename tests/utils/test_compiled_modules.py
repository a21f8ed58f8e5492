"""The package on an MMPose whose compiled modules are not there, or are for another NumPy."""

import subprocess
import sys

from ..helpers import ROOT

HIDDEN = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def hide(name, path=None, target=None):
    if name == "xtcocotools._mask":
        raise ValueError("numpy.dtype size changed")
    return None if name == "mmcv._ext" else find(name, path, target)
PathFinder.find_spec = hide
"""

USE = """
import swahr_mmpose, mmpose.models
from mmcv.ops import nms
from mmcv.utils import collect_env
from mmengine.utils.dl_utils import mmcv_full_available
from xtcocotools.mask import iou
print(mmcv_full_available(), iou([[0, 0, 2, 2]], [[0, 0, 2, 1]], [0]))
print(collect_env()["MMCV Compiler"])
import torch
nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
"""


def run(script):
    command = [sys.executable, "-W", "ignore", "-c", HIDDEN + script]
    return subprocess.run(command, text=True, capture_output=True, cwd=ROOT)


def test_models_load_and_an_operator_that_is_called_names_itself():
    result = run(USE)
    assert "False [[0.5]]\nnot compiled\n" in result.stdout, result.stderr
    assert "NotImplementedError: mmcv's operator `nms` was called, but this" in result.stderr
    assert "Install the full mmcv in place of mmcv-lite" in result.stderr


def test_models_that_were_imported_before_the_package_are_an_error():
    result = run("import mmcv.cnn.bricks.transformer, swahr_mmpose")
    assert "Import swahr_mmpose first, in a new process." in result.stderr
