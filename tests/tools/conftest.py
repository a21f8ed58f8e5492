"""Tools run in this process, which has imported what they need."""

import pytest

from .. import documentation
from ..helpers import ROOT


@pytest.fixture
def run(capsys):
    """Exit code of a tool, and what it said."""

    def run(tool, *arguments):
        with pytest.raises(SystemExit) as ended:
            documentation.run_program(ROOT / "tools" / tool, list(map(str, arguments)))
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run
