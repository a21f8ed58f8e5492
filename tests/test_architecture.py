"""The rooms of the package import one another as docs/architecture.md says."""

import ast
import re

from .helpers import ROOT

PACKAGE = ROOT / "swahr_mmpose"
#: | `room` | subject | `room`, `room` |
ROW = re.compile(r"^\| `([a-z_/.]+)` \|[^|]*\| ([^|]*) \|$", re.M)


def allowed():
    """Room -> rooms that it may import, of the table."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = ROW.findall(page)
    return {room.rstrip("/"): set(re.findall(r"`([a-z_.]+)", others)) for room, others in rows}


def imported(path):
    """Modules of the package that a file imports, dotted, from its top."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            yield from (
                ".".join([*base[1:], *filter(None, [node.module]), alias.name])
                for alias in node.names
            )


def test_no_arrow_goes_up():
    above = set()
    for room, others in allowed().items():
        assert {other.split(".")[0] for other in others} <= above, room
        above.add(room)


def test_rooms_import_what_the_table_allows():
    table = allowed()
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms | {"layout"} == set(table)
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].replace(".py", "")
        for module in imported(path):
            other = module.split(".")[0]
            permitted = any(f"{module}.".startswith(f"{own}.") for own in table.get(room, ()))
            if room in table and other != room and not permitted:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)
