"""The decoder without torch and MMPose, as an application without them imports it."""

import subprocess
import sys

from ..helpers import ROOT

BLOCKED = """
import sys, time
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "mmpose", "mmengine", "mmcv", "mmdet"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
import numpy
start = time.process_time()
from swahr_mmpose.decoding import DecodeOptions, decode_people
print(time.process_time() - start)
heatmaps = numpy.zeros((2, 8, 8), numpy.float32)
heatmaps[0, 2, 5] = heatmaps[1, 6, 5] = 0.9
tags = numpy.zeros((1, 2, 8, 8), numpy.float32)
print(len(decode_people(heatmaps, tags, DecodeOptions()).keypoints))
import swahr_mmpose
print(swahr_mmpose.config_path("swahr_tiny_synthetic").name)
from swahr_mmpose.visualization import draw_people
from importlib import import_module
for room in "apis codecs datasets engine evaluation export models translation".split():
    try:
        import_module(f"swahr_mmpose.{room}")
    except ImportError as error:
        print(error)
"""

BROKEN = """
import sys
class Break:
    def find_spec(self, name, path=None, target=None):
        if name == "mmcv.cnn":
            raise ImportError("mmcv.cnn is broken")
sys.meta_path.insert(0, Break())
import swahr_mmpose
"""


def run(script):
    return subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, cwd=ROOT)


def test_decoding_and_drawing_need_neither_torch_nor_mmpose():
    result = run(BLOCKED)
    assert result.returncode == 0, result.stderr
    seconds, people, config, *needs_mmpose = result.stdout.splitlines()
    assert (
        needs_mmpose
        == ["This part of swahr_mmpose needs MMPose. `swahr doctor` says what to install."] * 8
    )
    assert (people, config) == ("1", "swahr_tiny_synthetic.py")
    # what the import may take, in processor time; a torch or SciPy that slips in takes more
    assert float(seconds) < 0.3


def test_a_broken_mmpose_is_an_error():
    result = run(BROKEN)
    assert result.returncode != 0
    assert "mmcv.cnn is broken" in result.stderr
