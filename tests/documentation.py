"""The code blocks of README and pages: finding them, and checking commands without running them."""

import argparse
import contextlib
import importlib.util
import io
import os
import re
import runpy
import shlex
import sys
from collections import namedtuple
from pathlib import Path
from unittest import mock

from markdown_it import MarkdownIt
from mmengine.config import Config, DictAction
from packaging.requirements import Requirement
from torch.distributed import run as distributed_run

import swahr_command
from swahr_mmpose.utils.config_files import config_path

from .helpers import ROOT

#: The repository's own pages, not what Sphinx writes.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Words that readers replace, where a program checks their type.
PLACEHOLDERS = {"NODE": "0", "FIRST_MACHINE": "127.0.0.1"}

#: A fenced block: its page, line, language and text.
Block = namedtuple("Block", "page line language text")


def blocks_of(page):
    """The fenced blocks of a page, in order."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    return [
        Block(page, token.map[0] + 1, token.info.strip(), token.content)
        for token in tokens
        if token.type == "fence"
    ]


def python_blocks(name, word):
    """The texts of the Python blocks of a page of docs/ in which a word is."""
    blocks = blocks_of(ROOT / "docs" / name)
    return [own.text for own in blocks if own.language == "python" and word in own.text]


def python_block(name, word):
    """The only one."""
    (text,) = python_blocks(name, word)
    return text


def commands_of(block):
    """The commands of a bash block, each as words, less comments and `.venv/bin/`."""
    # as one word, whatever is quoted in it
    text = re.sub(r'"(\$\(.*?\))"(?=\s)', lambda match: shlex.quote(match[1]), block.text)
    lines = text.replace("\\\n", " ").splitlines()
    commands = (shlex.split(line, comments=True) for line in lines)
    return [without_environment(words) for words in commands if words]


def without_environment(words):
    """The words without variables and time limit, and without the folder of the programs."""
    while re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    words = words[2:] if words[0] == "timeout" else words
    return [re.sub(r"^(\.venv|\$VIRTUAL_ENV)/bin/", "", words[0]), *words[1:]]


class CommandLineRead(BaseException):
    """A program has read its command line."""


def read_command_line(program, arguments):
    """Run a program to where it has read its command line; an AssertionError if it refuses it."""

    def stopping(parse_args):
        def parse_and_stop(parser, args=None, namespace=None):
            parse_args(parser, args, namespace)
            raise CommandLineRead

        return parse_and_stop

    said = io.StringIO()
    parser = argparse.ArgumentParser
    names = ("parse_args", "parse_intermixed_args")
    with mock.patch.multiple(parser, **{name: stopping(getattr(parser, name)) for name in names}):
        try:
            with contextlib.redirect_stderr(said):
                run_program(program, arguments)
        except CommandLineRead:
            return
        except SystemExit:
            pass
    raise AssertionError(f"{program} does not understand {arguments}: {said.getvalue()}")


def run_program(program, arguments):
    """Run a Python program in this process, as `python PROGRAM ARGUMENTS…` does."""
    path = Path(program)
    path = path if path.is_absolute() else ROOT / path
    assert path.exists(), f"There is no program {program}."
    folder = str(path if path.is_dir() else path.parent)
    environment = dict(os.environ)
    with mock.patch.object(sys, "argv", [str(program), *arguments]), mock.patch.object(
        sys, "path", [folder, *sys.path]
    ), mock.patch.dict(os.environ, environment):
        runpy.run_path(str(path), run_name="__main__")


# ---------------------------------------------------------------- what follows a beginning


def nothing_more(words):
    """The beginning is all of the command."""
    assert not words, words


def python_program(words):
    """The program exists and understands the options."""
    options = [word for word in words if "=" in word and "--cfg-options" in words]
    check_files(words)
    read_command_line(words[0], [PLACEHOLDERS.get(word, word) for word in words[1:]])
    for config in (word for word in words[1:] if word.endswith(".py")):
        check_config_options(config, options)


def swahr(words):
    """The command has the verb, and its tool, or mim, understands the options."""
    verb, *options = words or ["--help"]
    if verb in swahr_command.MIM:
        config = config_path(options[0])
        mim_train_or_test(verb)([str(config), *options[1:]])
    elif options:
        check_files(options)
        read_command_line("swahr_command.py", words)
    else:
        assert verb in swahr_command.VERBS, f"There is no verb '{verb}'."


def python_statement(words):
    """It is Python; the modules and names that it imports are there."""
    for line in words[0].split(";"):
        if re.match(r"\s*(import|from) ", line):
            exec(line.strip(), {})
    compile(words[0], "statement", "exec")


def make_target(words):
    """The Makefile has these targets."""
    text = (ROOT / "Makefile").read_text()
    for word in words:
        assert re.search(rf"^{re.escape(word)}:", text, re.M), f"The Makefile has no '{word}'."


def script(words):
    """The shell script is there, and can be run."""
    assert os.access(ROOT / words[0], os.X_OK), f"There is no program {words[0]}."


def fuzzer(words):
    """There is such a module; its options are libFuzzer's."""
    assert importlib.util.find_spec(words[0]), f"There is no module {words[0]}."
    assert all(word.startswith("-") for word in words[1:]), words


def pip_install(words):
    """Requirements are written as such; this package has the extras that are named."""
    setup = (ROOT / "setup.py").read_text()
    for word in words:
        if word.startswith(("-", "$(")) or word in (".", "|"):
            continue
        if "/" in word or word.endswith(".txt"):
            assert (ROOT / word).exists(), f"There is no file {word}."
            continue
        requirement = Requirement(re.sub(r"^\.\[", "swahr_mmpose[", word))
        extras = requirement.extras if requirement.name == "swahr_mmpose" else ()
        assert all(f'"{extra}": requirements(' in setup for extra in extras), word


def mim_train_or_test(kind):
    """Mim and MMPose's tool understand the options; config and keys exist."""

    def check(words):
        command = importlib.import_module(f"mim.commands.{kind}").cli
        context = command.make_context(kind, ["mmpose", *words])
        given = dict(context.params)
        others = list(given["other_args"])
        checkpoint = [given["checkpoint"] or "none"] if kind == "test" else []
        tool = Path(importlib.import_module("mmpose").__file__).parent / f".mim/tools/{kind}.py"
        read_command_line(tool, [given["config"], *checkpoint, *others])
        check_config_options(given["config"], [word for word in others if "=" in word])
        check_files(words)

    return check


def mim_download(words):
    """Mim understands the options, and this package has the configs."""
    command = importlib.import_module("mim.commands.download").cli
    context = command.make_context("download", ["swahr_mmpose", *words])
    for name in context.params["configs"]:
        assert config_path(name).is_file()


def analyze_logs(words):
    """MMPose's tool understands the options; seaborn, which it needs, may be missing here."""
    tools = Path(importlib.import_module("mmpose").__file__).parent / ".mim/tools"
    with mock.patch.dict(sys.modules, seaborn=mock.MagicMock()):
        read_command_line(tools / "analysis_tools/analyze_logs.py", words)


def torchrun(words):
    """Torchrun understands its own options, and the program the rest."""
    parser = distributed_run.get_args_parser()
    args = parser.parse_args([PLACEHOLDERS.get(word, word) for word in words])
    program = output_of(args.training_script)
    if args.module:
        assert program == "swahr_mmpose", f"Nothing says how the module {program} is checked."
        swahr(args.training_script_args)
    else:
        python_program([program, *args.training_script_args])


def output_of(word):
    """What `$(python -c …)` prints; other words as they are."""
    substitution = re.fullmatch(r"\$\((?P<command>.*)\)", word, re.S)
    if not substitution:
        return word
    python, option, statement = shlex.split(substitution["command"])
    assert (python, option) == ("python", "-c"), f"Can't tell what {word} prints."
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(statement, {})
    return printed.getvalue().strip()


def check_files(words):
    """Files of this repository that are named exist."""
    for word in words:
        if re.match(r"(configs|tools|tests|swahr_mmpose|requirements)/", word):
            assert (ROOT / word).exists(), f"There is no {word}."


def check_config_options(config, options):
    """The config can be read, and options change what it has at the top level."""
    path = ROOT / config
    if not path.is_file():  # a reader's own, or CONFIG
        return
    content = Config.fromfile(path)
    changes = argparse.ArgumentParser()
    changes.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    changes = changes.parse_args(["--cfg-options", *options] if options else []).cfg_options
    for key in changes:
        top = key.split(".")[0]
        assert top in content, f"{config} has no `{top}` for the option {key}."
    content.merge_from_dict(changes)
