"""The `swahr` command: a verb for each tool, whatever state MMPose is in."""

import os
import re
import subprocess
import sys
from importlib import metadata

import pytest

import swahr_command
from swahr_mmpose.utils.environment import check_openmmlab, installed_version

from .helpers import CONFIGS, ROOT


@pytest.fixture
def swahr(monkeypatch, capsys):
    """Exit code of the command, and what it said, in this process."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [])

    def swahr(*arguments):
        try:
            code = swahr_command.main(list(arguments))
        except SystemExit as ended:
            code = ended.code
        return (code, *capsys.readouterr())

    return swahr


def test_the_help_lists_all_verbs_and_imports_nothing():
    program = "import swahr_command, sys; swahr_command.main(['--help']); print(*sys.modules)"
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, text=True, capture_output=True, check=True, cwd=ROOT).stdout
    *lines, modules = said.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [*swahr_command.VERBS]
    assert not {"torch", "numpy", "mmengine", "swahr_mmpose"} & set(modules.split())


@pytest.mark.parametrize("verb", swahr_command.TOOLS)
def test_verbs_run_their_tools(swahr, verb):
    code, said, error = swahr(verb, "--help")
    assert (code, error) == (0, "")
    assert said.startswith(f"usage: swahr {verb} ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pedict"], "There is no verb 'pedict'. Did you mean 'predict'?"),
        (["train", "swahr_tiny_syntetic"], "Did you mean 'swahr_tiny_synthetic"),
        (["test", "missing/config.py"], "There is no config file 'missing/config.py'."),
        (["check", "missing.json"], "missing.json"),
        (["models", "all"], "unrecognized arguments: all"),
    ],
)
def test_what_is_wrong_is_named(swahr, arguments, message):
    code, _, error = swahr(*arguments)
    assert code == 2
    assert message in error


@pytest.mark.parametrize("verb", ["train", "test"])
@pytest.mark.parametrize("config", ["swahr_tiny_synthetic", "{0}/swahr_tiny_synthetic.py"])
def test_mim_trains_and_tests_by_name_or_path(swahr, monkeypatch, verb, config):
    handed = []
    monkeypatch.setattr(os, "execv", lambda _, words: handed.extend(words) or 0)
    swahr(verb, config.format(CONFIGS), "--work-dir", "x")
    path = str(CONFIGS / "swahr_tiny_synthetic.py")
    assert handed == [sys.executable, "-m", "mim", verb, "mmpose", path, "--work-dir", "x"]


def test_weights_that_were_downloaded_are_listed(swahr, monkeypatch, tmp_path):
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "higher_hrnet32_coco_512x512-8ae85183_20200713.pth").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    code, said, _ = swahr("models")
    assert code == 0
    assert re.search(r"^higherhrnet_w32_coco +downloaded +67\.7 +COCO, MMPose 0\.x$", said, re.M)
    assert re.search(r"^higherhrnet_w32_aic +published ", said, re.M)
    assert re.search(r"^swahr_tiny_synthetic +in the package ", said, re.M)
    assert re.search(r"^swahr_hrnet_w48_coco_multiscale +– +73\.2 +COCO, the paper$", said, re.M)


@pytest.mark.slow
def test_the_doctor_where_everything_works():
    command = [sys.executable, "-m", "swahr_mmpose"]
    result = subprocess.run(command, text=True, capture_output=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    for name in ("torch", "numpy", "mmcv", "mmengine", "mmdet", "mmpose"):
        assert f"  ok  {name:<14}{installed_version(name)}" in result.stdout
    assert "\nGPU: " in result.stdout
    assert "swahr_hrnet_w48_coco_multiscale" in result.stdout
    assert result.stdout.endswith("Everything works.\n")


OTHER_MMCV = """
from importlib import metadata
version = metadata.version
metadata.version = lambda name: "1.7.0" if name == "mmcv" else version(name)
"""


@pytest.mark.parametrize(
    ("file", "content", "line", "problem"),
    [
        ("sitecustomize.py", "import sys; sys.modules['mmdet'] = None", "!!  mmdet         not",
         "mmdet>=3.0.0,<3.6.0 is needed, but none is installed. Run: pip install --no-deps"),
        ("sitecustomize.py", "import sys; sys.modules['torch'] = None", "!!  torch         not",
         "torch>=2.0 is needed, but none is installed. Run: pip install torch"),
        ("sitecustomize.py", OTHER_MMCV, "!!  mmcv          1.7.0",
         "mmcv>=2.0.1,<2.4.0 is needed, but 1.7.0 is installed. Run: pip install 'mmcv-lite"),
        ("cv2.py", "raise OSError('libGL.so.1')", "!!  cv2           broken",
         "cv2 can't be imported: libGL.so.1"),
        ("torch.py", "raise OSError('libcudart.so')", "!!  torch", "torch: OSError: libcudart.so"),
        ("torch.py", "import os; os.abort()", "!!  torch", "torch: crashed by signal 6"),
    ],
)  # fmt: skip
def test_the_doctor_names_what_does_not_work(tmp_path, file, content, line, problem):
    """The whole report; an import of the package raises, and says who knows more."""
    (tmp_path / file).write_text(content)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    options = dict(text=True, capture_output=True, env=dict(os.environ, PYTHONPATH=path))
    command = [sys.executable, ROOT / "swahr_command.py", "doctor"]
    result = subprocess.run(command, **options)
    assert result.returncode == 1, result.stderr
    assert f"\n  {line}" in result.stdout
    assert f"This will not work yet:\n  {problem}" in result.stdout
    assert "swahr_hrnet_w48_coco_multiscale" in result.stdout
    if "abort" not in content:
        result = subprocess.run([sys.executable, "-m", "swahr_mmpose"], **options)
        assert result.returncode == 1
        assert "Run `swahr doctor`, which says what is wrong" in result.stderr


@pytest.mark.parametrize(
    ("verb", "missing", "code", "message"),
    [
        ("doctor", [], 0, "\nReady, without torch and MMPose: people from exported files ("),
        ("doctor", ["onnxruntime"], 1, "(swahr_mmpose.visualization):\n  ModuleNotFoundError: "),
        ("doctor", ["scipy"], 1, "drawing (swahr_mmpose.visualization):\n  scipy>=1.4 is needed"),
        ("export", [], 1, "`swahr export` needs MMPose and what comes with it, and there is no"),
        ("train", ["mim"], 1, "`swahr train` needs MMPose and what comes with it, and there is no"),
    ],
)
def test_what_is_ready_without_torch_and_mmpose(tmp_path, verb, missing, code, message):
    pytest.importorskip("onnxruntime")
    absent = dict.fromkeys(["torch", "mmengine", "mmpose", *missing])
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules.update({absent})")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, ROOT / "swahr_command.py", verb]
    options = dict(text=True, capture_output=True, env=dict(os.environ, PYTHONPATH=path))
    result = subprocess.run(command, **options)
    assert result.returncode == code, result.stderr
    assert message in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_an_import_names_all_that_does_not_match(monkeypatch):
    real = metadata.version
    wrong = dict(mmpose="0.29.0", mmcv="no version")
    monkeypatch.setattr(
        "swahr_mmpose.utils.environment.version", lambda module: wrong.get(module) or real(module)
    )
    with pytest.raises(ImportError, match="not those that it needs") as caught:
        check_openmmlab()
    lines = str(caught.value).splitlines()
    assert [line.split(">")[0].strip() for line in lines[1:]] == ["mmcv", "mmpose"]
    assert "but 0.29.0 is installed. Run: pip install --no-deps 'mmpose>=1.3.2" in lines[2]
