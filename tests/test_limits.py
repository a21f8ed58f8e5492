"""Many images, large ones, and many threads."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.synthetic import SyntheticOptions
from swahr_mmpose.synthetic.dataset import generate_image

pytestmark = pytest.mark.slow

#: Peak memory, and memory in use, of a process in MiB; what is freed is given back first.
_MEMORY = """
import ctypes, json, resource, sys
import numpy as np
import torch
from mmengine.config import Config
import swahr_mmpose
from mmpose.apis import inference_bottomup, init_model
from swahr_mmpose.checkpoints.model_zoo import weights_of

torch.set_num_threads(1)

def in_use():
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

def peak():
    # not getrusage, whose peak begins at that of the parent process
    lines = open("/proc/self/status")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10

def model_for(input_size, scales):
    config = Config.fromfile(swahr_mmpose.config_path("swahr_tiny_synthetic"))
    resize = config.test_dataloader.dataset.pipeline[1]
    resize.update(input_size=input_size, scales=scales)
    return init_model(config, weights_of("swahr_tiny_synthetic"), device="cpu")
"""

_MANY = """
model = model_for(64, (1,))
model.test_cfg["flip_test"] = False  # half the time
rng = np.random.default_rng(0)
count = int(sys.argv[1])
memory = []
for index in range(count):
    size = 10 * rng.integers(2, 16, 2)
    inference_bottomup(model, rng.integers(0, 255, (*size, 3), dtype=np.uint8))
    if index % (count // 8) == count // 8 - 1:
        memory.append(in_use())
print(json.dumps(memory))
"""

_LARGE = """
model = model_for(512, (0.5, 1, 2))
inference_bottomup(model, np.zeros((64, 64, 3), np.uint8))
image = np.random.default_rng(0).integers(0, 255, (4000, 6000, 3), dtype=np.uint8)
before = in_use()
inference_bottomup(model, image)
print(json.dumps([before, peak()]))
"""


def memory_of(script, *arguments):
    command = [sys.executable, "-c", _MEMORY + script, *map(str, arguments)]
    result = subprocess.run(command, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("count", [800, pytest.param(2000, marks=pytest.mark.long)])
def test_memory_stays_flat_over_images_of_changing_size(count):
    memory = memory_of(_MANY, count)
    print(f"MiB after each eighth of {count} images: {[round(own) for own in memory]}")
    # the allocator keeps pieces of several sizes: after the half it has seen all sizes
    assert memory[-1] - memory[3] < 20


def test_memory_of_a_large_image_at_several_scales_is_bounded():
    """The network sees 768×512 at scale 1: the image's own size counts when it is shrunk only."""
    before, peak = memory_of(_LARGE)
    print(f"6000×4000 at scales 0.5, 1 and 2: {peak - before:.0f} MiB beyond model and image")
    assert peak - before < 2048


def test_people_are_the_same_from_eight_threads():
    inferencer = BottomupInferencer("swahr_tiny_synthetic", device="cpu")
    options = SyntheticOptions(num_images=1, seed=8, long_side=200)
    images = [generate_image(options, index)[0] for index in range(24)]

    def people(image):
        (result,) = inferencer(image)
        return result["predictions"][0]

    alone = [people(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(people, images))
    assert sum(map(len, alone)) > 24
    for one, other in zip(alone, together):
        assert len(one) == len(other)
        for first, second in zip(one, other):
            np.testing.assert_array_equal(first["keypoints"], second["keypoints"])
            np.testing.assert_array_equal(first["keypoint_scores"], second["keypoint_scores"])
