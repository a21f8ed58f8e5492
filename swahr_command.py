"""The ``swahr`` command: one verb for each tool, in a checkout and in an installed wheel alike.

It lies beside the package, whose import takes seconds and fails where MMPose is broken.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from pathlib import Path

#: The tools by their verbs, with what they do.
TOOLS = {
    "predict": ("predict", "find the people in images, and write a line of JSON for each"),
    "demo": ("webdemo", "serve a web page to try a network in"),
    "check": ("check_dataset", "list what is wrong with an annotation file, and fix it"),
    "browse": ("browse_dataset", "draw what a network is trained on"),
    "analyze": ("analyze_results", "show where AP is lost, on a page"),
    "verify": ("verify", "test a network, and write a receipt of files, versions and AP"),
    "calibrate": ("calibrate", "give a network error bars, from its errors on labelled images"),
    "convert": ("convert_checkpoint", "convert a checkpoint of another implementation"),
    "translate": ("translate_config", "translate a config of MMPose 0.x"),
    "export": ("export_onnx", "write a network to an ONNX file"),
    "models": ("list_models", "list the models, their AP and where their weights are"),
    "doctor": ("doctor", "check the installation, and say how to fix it"),
}
MIM = {
    "train": "train a config, by name or path: mim train mmpose CONFIG …",
    "test": "test a config, by name or path: mim test mmpose CONFIG …",
}
VERBS = {**{verb: meaning for verb, (_, meaning) in TOOLS.items()}, **MIM}


def main(argv: list[str] | None = None) -> int:
    """Run a verb; its exit code."""
    verb, *arguments = (sys.argv[1:] if argv is None else argv) or [""]
    if verb in ("", "-h", "--help"):
        lines = (f"  {verb:<11}{meaning}" for verb, meaning in VERBS.items())
        print("usage: swahr VERB …\n", *lines, "\n`swahr VERB --help` says more.", sep="\n")
        return 0 if verb else 2
    # OpenMP's threads spin while they wait; torch reads this when it is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    package = Path(str(importlib.util.find_spec("swahr_mmpose").origin)).parent  # type: ignore
    if verb not in TOOLS or verb in ("models", "doctor"):
        # the package without its __init__: these verbs need no MMPose
        bare = types.ModuleType("swahr_mmpose")
        bare.__path__ = [str(package)]
        sys.modules.setdefault("swahr_mmpose", bare)
    if verb in MIM:
        return _hand_over(verb, arguments)
    if verb not in TOOLS:
        from swahr_mmpose.utils.arguments import did_you_mean

        hint = did_you_mean(verb, VERBS)
        print(f"error: There is no verb '{verb}'.{hint} See swahr --help.", file=sys.stderr)
        return 2
    tools = package / ".mim" / "tools"
    sys.path.insert(0, str(tools if tools.is_dir() else package.parent / "tools"))
    sys.argv = [f"swahr {verb}", *arguments]
    try:
        tool = importlib.import_module(TOOLS[verb][0])
    except ModuleNotFoundError as error:
        return _missing(verb, error.name)
    return int(tool.main())


def _missing(verb: str, module: str | None) -> int:
    """Say that a verb needs more than is installed; the exit code."""
    print(
        f"error: `swahr {verb}` needs MMPose and what comes with it, and there is no module "
        f"'{module}'. `swahr doctor` says what to install.",
        file=sys.stderr,
    )
    return 1


def _hand_over(verb: str, arguments: list[str]) -> int:
    """Become mim, whose exit code and signals are then those of this process."""
    from swahr_mmpose.utils.config_files import find_config

    try:
        if arguments and not arguments[0].startswith("-"):
            arguments[0] = str(find_config(arguments[0]))
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if importlib.util.find_spec("mim") is None:
        return _missing(verb, "mim")
    os.execv(sys.executable, [sys.executable, "-m", "mim", verb, "mmpose", *arguments])


if __name__ == "__main__":
    sys.exit(main())
