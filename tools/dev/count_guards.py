"""Count the lines of code that guard: how much of a package checks instead of doing.

A guard is a statement that raises, the ``if`` or ``except`` that it stands under where nothing else
does, and every line of a function that only raises or returns what is wrong (``check_…``,
``…_problem``). Blank lines, comments and docstrings are no code.

    python tools/dev/count_guards.py swahr_mmpose

prints lines of code, lines that guard and their share, for each folder and in all.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

_CHECKS = re.compile(r"^_?(check|refuse|raise_unless)(_|$)|_problems?$")
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
_BLOCKS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _BLOCKS) and ast.get_docstring(node) is not None:
            lines -= _lines_of(node.body[0])
    return lines


def guard_lines(source: str) -> set[int]:
    """Numbers of the lines that guard."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        named = isinstance(node, ast.FunctionDef) and _CHECKS.search(node.name)
        if named or isinstance(node, (ast.Raise, ast.Assert)):
            lines |= _lines_of(node)
        elif isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise):
            lines |= set(range(node.lineno, node.body[-1].end_lineno + 1))
        elif isinstance(node, ast.Try):
            raising = [
                handler for handler in node.handlers if isinstance(handler.body[-1], ast.Raise)
            ]
            for handler in raising:
                lines |= _lines_of(handler)
            if raising and len(raising) == len(node.handlers):
                lines.add(node.lineno)
    return lines


def _lines_of(node: ast.AST) -> set[int]:
    return set(range(node.lineno, node.end_lineno + 1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a package's folder")
    folder = parser.parse_args().folder
    code, guards = Counter(), Counter()
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        room = path.relative_to(folder).parts[0] if path.parent != folder else "(top)"
        own = code_lines(source)
        code[room] += len(own)
        guards[room] += len(own & guard_lines(source))
    print(f"{'':<20}{'code':>8}{'guards':>8}{'share':>8}")
    for room in sorted(code):
        print(f"{room:<20}{code[room]:>8}{guards[room]:>8}{guards[room] / code[room]:>8.1%}")
    total, guarding = sum(code.values()), sum(guards.values())
    print(f"{'all':<20}{total:>8}{guarding:>8}{guarding / max(total, 1):>8.1%}")


if __name__ == "__main__":
    main()
