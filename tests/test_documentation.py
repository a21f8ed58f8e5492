"""Every command and every Python block of README and pages is checked, and run where it can be.

Fast tests check each command: programs, files and configs exist, and all options are understood.
They run Python blocks, those of a page in one namespace, and read configs. Slow tests run the
commands in ``RUN`` and the blocks in ``NEEDS_COMMANDS``, page by page, in order.

A Python block that begins with a comment like ``# my_config.py`` is a file of this name.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS, TRANSFORMS

from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.decoding import GROUPINGS, DecodeOptions, decode_people
from swahr_mmpose.synthetic import SyntheticOptions
from swahr_mmpose.synthetic.dataset import generate_image

from . import documentation as doc
from .helpers import ROOT, noisy_maps, run_on_cpu

TINY = "swahr_tiny_synthetic"

#: How commands are checked, by their beginning; the longest that fits counts.
CHECKS = {
    "make": doc.make_target,
    "pip install": doc.pip_install,
    "python -m pip install": doc.pip_install,
    "mim train mmpose": doc.mim_train_or_test("train"),
    "mim test mmpose": doc.mim_train_or_test("test"),
    "mim download swahr_mmpose": doc.mim_download,
    "mim run mmpose analyze_logs": doc.analyze_logs,
    "torchrun": doc.torchrun,
    "python -c": doc.python_statement,
    "swahr": doc.swahr,
    "python -m pytest": doc.check_files,
    "source .venv/bin/activate": doc.nothing_more,
    "python": doc.python_program,
    "python draw_turtles.py": doc.nothing_more,
    "python -m": doc.fuzzer,
    "uvicorn service:app": "tests/export/test_onnx.py::test_the_service_of_the_page_on_deployment",
    "curl --data-binary": "tests/export/test_onnx.py::test_the_service_of_the_page_on_deployment",
}

#: Commands that the slow tests run as they are, but for ``STAND_INS``; the others need COCO, a GPU,
#: the network or hours, or tests of their own run them.
RUN = (
    "swahr doctor",
    "swahr analyze",
    "python tools/make_synthetic_data.py",
    "swahr check",
    "swahr export swahr_tiny_synthetic tiny.onnx",
    "swahr predict",
    "mim test mmpose configs/swahr_tiny_synthetic.py",
    "mim test mmpose CONFIG --checkpoint CHECKPOINT --cfg-options test_evaluator.outfile_prefix",
    "python draw_turtles.py",
    "mim train mmpose turtle_config.py",
    "mim test mmpose turtle_config.py",
)

#: What takes the place of what a reader has, and of what has to be downloaded or takes long.
STAND_INS = {
    r"\bCONFIG\b": "configs/swahr_tiny_synthetic.py",
    r"\bCHECKPOINT\b|work_dirs/swahr_tiny_synthetic/iter_720\.pth": "checkpoint.pth",
    r"\bANNOTATIONS\.json\b": "data/synthetic/annotations/val.json",
    r"\bannotations\.json --images images/": "data/synthetic/annotations/val.json",
    r"\bFOLDER\b": "data/synthetic/images/val",
    r"\bphoto\.jpg\b": f"images/ --config {TINY}",
    r"\b(higherhrnet_w32_coco|swahr_hrnet_w32_coco)\b(?!\.py)": TINY,
    # as the workspace's parts: a part is not drawn over with other images
    r"--num-images \d+": "--num-images 8 --long-side 256",
    # the turtles: four iterations on a few images
    r"(iter_|max_iters=|interval=|end=)200\b": r"\g<1>4",
    r"(begin=|end=)20\b": r"\g<1>2",
    r'draw_part\("(\w+)", \d+': r'draw_part("\1", 8',
}

#: Python blocks by page and a word in them: the test that runs each.
IN_TEST_TRACKING = "tests/tools/test_tracking.py::test_"
IN_TEST_ONNX = "tests/export/test_onnx.py::test_"
ELSEWHERE = {
    ("deployment.md", "supervision.KeyPoints"): f"{IN_TEST_ONNX}an_environment_without_torch",
    ("deployment.md", "FastAPI"): f"{IN_TEST_ONNX}the_service_of_the_page_on_deployment",
    ("scaling.md", "ray.data"): "tests/export/test_onnx.py::test_ray_of_the_page_on_scaling",
    ("tracking.md", "norfair"): f"{IN_TEST_TRACKING}people_are_tracked_by_keypoints",
    ("tracking.md", "ByteTrackTracker"): f"{IN_TEST_TRACKING}people_are_tracked_by_boxes",
}

#: Python blocks that use what a command before them wrote: the slow tests run them.
NEEDS_COMMANDS = {
    ("deployment.md", "OnnxPoseEstimator"),
    ("deployment.md", "draw_people"),
    ("own_keypoints.md", "BottomupInferencer"),
}

#: Fences of these languages are not code to be run.
SHOWN = {"text", "json", "bibtex", "yaml", "mermaid"}


def sample_and_image(workspace):
    """A prediction with maps, and its image (RGB)."""
    from mmpose.apis import inference_bottomup, init_model

    options = {"model.test_cfg.output_heatmaps": True}
    config = str(workspace / f"configs/{TINY}.py")
    model = init_model(config, weights_of(TINY), device="cpu", cfg_options=options)
    image = cv2.imread(str(workspace / "image.jpg"))
    return dict(sample=inference_bottomup(model, image)[0], image=image[..., ::-1])


#: Names that a page's blocks take for granted.
PREPARED = {"visualization.md": sample_and_image}


@pytest.fixture(scope="session")
def workspace(synthetic_data, tmp_path_factory):
    """A folder as a reader has it: the repository's files, images, a checkpoint, drawn data."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(ROOT / "configs", folder / "configs")
    for name in ("tools", "swahr_mmpose"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(synthetic_data, folder / "data" / "synthetic")
    for images in (folder / "images", folder / "data/synthetic/images/sample"):
        images.mkdir()
        for image in sorted((synthetic_data / "images" / "val").iterdir())[:2]:
            shutil.copy(image, images)
    shutil.copy(weights_of(TINY), folder / "checkpoint.pth")
    image, _ = generate_image(SyntheticOptions(1, seed=9, long_side=256), 0)
    cv2.imwrite(str(folder / "image.jpg"), image)
    return folder


def name_of(page):
    return str(page.relative_to(ROOT))


def with_stand_ins(text):
    for pattern, stand_in in STAND_INS.items():
        text = re.sub(pattern, stand_in, text)
    return text


def is_config(block):
    return re.search(r"^_base_ = ", block.text, re.M)


def file_name(block):
    named = re.match(r"# (\w+\.py)\n", block.text)
    return named and named[1]


def entry_for(table, block):
    """The key of a table of Python blocks, keyed by page and word, that names the block."""
    (*found,) = (key for key in table if key[0] == block.page.name and key[1] in block.text)
    return found[0] if found else None


def check_command(words):
    line = " ".join(words)
    if words[0].endswith(".sh"):
        doc.script(words)
        return
    fitting = [start for start in CHECKS if f"{line} ".startswith(f"{start} ")]
    if not fitting:
        pytest.fail(
            f"`{line}`: nothing says how this command is checked. Add its beginning to CHECKS in "
            "tests/test_documentation.py, and to RUN if it runs in seconds; or fence it as `text`."
        )
    start = max(fitting, key=len)
    check = CHECKS[start]
    if not isinstance(check, str):
        check(words[len(start.split()) :])


def run_python(block, namespace):
    """Run a block in the namespace of its page, with errors at the lines of the page."""
    text = "\n" * block.line + with_stand_ins(block.text)
    exec(compile(text, str(block.page), "exec"), namespace)


def check_config(block, workspace):
    """The config can be read, and its head and its pipelines can be built."""
    text = block.text
    # beside the configs that it inherits from, as the page has it
    beside = workspace if '"configs/' in text else workspace / "configs"
    path = beside / (file_name(block) or "of_the_page.py")
    path.write_text(text)
    config = Config.fromfile(path)
    init_default_scope("mmpose")
    assert MODELS.build(config.model.head)
    for step in config.train_pipeline:
        assert TRANSFORMS.build(step)


@pytest.mark.parametrize("page", doc.PAGES, ids=name_of)
@mock.patch.dict(MODELS._module_dict)
@mock.patch.dict(GROUPINGS)
def test_blocks(page, workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    monkeypatch.syspath_prepend(workspace)
    namespace = {}
    if any(block.language == "python" for block in doc.blocks_of(page)) and page.name in PREPARED:
        namespace.update(PREPARED[page.name](workspace))
    for block in doc.blocks_of(page):
        if block.language == "bash":
            for words in doc.commands_of(block):
                check_command(words)
        elif block.language == "python":
            if file_name(block):  # also for a config that imports it
                (workspace / file_name(block)).write_text(block.text)
            if is_config(block):
                check_config(block, workspace)
            elif file_name(block) or entry_for({*ELSEWHERE, *NEEDS_COMMANDS}, block):
                compile(block.text, str(page), "exec")
            else:
                run_python(block, namespace)
        else:
            assert block.language in SHOWN or block.language.startswith("{"), (
                f"{page}:{block.line}: fences are `bash`, `python`, or one of {sorted(SHOWN)}, "
                f"but this one is {block.language!r}."
            )


@mock.patch.dict(MODELS._module_dict)
@mock.patch.dict(GROUPINGS)
def test_the_loss_and_the_grouping_of_ones_own_package():
    (text,) = (block.text for block in doc.blocks_of(ROOT / "CONTRIBUTING.md") if file_name(block))
    exec(text, own := {})
    loss, zeros = own["AbsoluteErrorLoss"](), torch.zeros(1, 1, 2, 2)
    mask = torch.tensor([[[[1, 0], [0, 0]]]])
    assert [loss(zeros + 1, zeros).item(), loss(zeros + 1, zeros, mask=mask).item()] == [1, 0.25]
    maps = noisy_maps()
    ours, official = (
        decode_people(*maps, DecodeOptions(grouping=name)) for name in ("nearest_tag", "official")
    )
    assert len(ours.keypoints) > 1
    assert ours.keypoints.tolist() != official.keypoints.tolist()


def test_files_that_readers_save_here_pass_the_linter():
    ruff = Path(sys.executable).with_name("ruff")
    saved = [block for block in doc.blocks_of(ROOT / "docs/own_keypoints.md") if file_name(block)]
    for text in [*(block.text for block in saved), doc.python_block("quickstart.md", "for result")]:
        command = [ruff, "check", "--stdin-filename", ROOT / "mine.py", "-"]
        result = subprocess.run(command, input=text, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_what_is_said_to_be_run_elsewhere_is():
    for test in [*ELSEWHERE.values(), *(check for check in CHECKS.values() if type(check) is str)]:
        file, name = test.split("::")
        assert f"def {name}(" in (ROOT / file).read_text(), f"There is no {test}."


def is_run(words):
    return any(f"{' '.join(words)} ".startswith(start) for start in RUN)


def pages_to_run():
    """Pages with something for the slow tests."""
    for page in doc.PAGES:
        blocks = doc.blocks_of(page)
        bash = (block for block in blocks if block.language == "bash")
        commands = any(is_run(words) for block in bash for words in doc.commands_of(block))
        if commands or any(entry_for(NEEDS_COMMANDS, block) for block in blocks):
            yield page


def run_command(words, workspace):
    """As typed, but Python programs in this process, which has imported what they need."""
    words = [doc.output_of(word) for word in words]
    if words[0] == "swahr":
        words = ["python", str(ROOT / "swahr_command.py"), *words[1:]]
    if words[0] == "python" and words[1].endswith(".py"):
        code = 0
        try:
            doc.run_program(workspace / words[1], words[2:])
        except SystemExit as ended:
            code = ended.code
        assert not code, words
        return
    result = run_on_cpu(Path(sys.executable).with_name(words[0]), *words[1:], cwd=workspace)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


@pytest.fixture(scope="session")
def have_run():
    """The command lines that were run in the workspace, where what they wrote still is."""
    return set()


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_to_run(), ids=name_of)
def test_commands(page, workspace, have_run, monkeypatch):
    monkeypatch.chdir(workspace)
    namespace = {}
    for block in doc.blocks_of(page):
        if block.language == "python" and entry_for(NEEDS_COMMANDS, block):
            run_python(block, namespace)
        elif block.language == "python" and file_name(block):
            (workspace / file_name(block)).write_text(with_stand_ins(block.text))
        elif block.language == "bash":
            for line in map(shlex.join, filter(is_run, doc.commands_of(block))):
                if line not in have_run:
                    run_command(shlex.split(with_stand_ins(line)), workspace)
                    have_run.add(line)
