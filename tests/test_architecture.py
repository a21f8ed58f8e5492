"""The rooms of the package import one another as docs/architecture.md says."""

import re

from .helpers import ROOT

PACKAGE = ROOT / "swahr_mmpose"
IMPORT = re.compile(r"^\s*from (\.+)([\w.]*) import", re.M)


def table():
    """Room -> rooms and modules that it may import: | `room` | subject | `room`, `room` |."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)/?` \|[^|]*\| ([^|]*) \|$", page, re.M)
    return {room: re.findall(r"`([a-z_.]+)", others) for room, others in rows}


def test_no_arrow_goes_up():
    above = {}
    for room, others in table().items():
        assert {other.split(".")[0] for other in others} <= set(above), room
        above[room] = others
    assert set(above) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"layout"}


def test_rooms_import_what_the_table_allows():
    allowed = table()
    for path in PACKAGE.rglob("*.py"):
        room, *_ = path.relative_to(PACKAGE).with_suffix("").parts
        for dots, module in IMPORT.findall(path.read_text(encoding="utf-8")):
            folder = path.relative_to(PACKAGE).parts[: -len(dots)]
            imported = ".".join([*folder, module])
            known = [room, *allowed.get(room, [imported])]
            assert f"{imported}.".startswith(tuple(f"{own}." for own in known)), (path, imported)
