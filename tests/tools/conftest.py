"""Tools run in this process, which has imported what they need."""

import pytest

from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset

from .. import documentation
from ..helpers import ROOT


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder with 15 drawn images, in its part `val`."""
    folder = tmp_path_factory.mktemp("drawn")
    generate_dataset(folder, "val", SyntheticOptions(num_images=15, seed=9, long_side=192))
    return folder


@pytest.fixture
def run(capsys):
    """Exit code of a tool, and what it said."""

    def run(tool, *arguments):
        with pytest.raises(SystemExit) as ended:
            documentation.run_program(ROOT / "tools" / tool, list(map(str, arguments)))
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run
