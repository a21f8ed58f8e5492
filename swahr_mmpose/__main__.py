"""``python -m swahr_mmpose``: the ``swahr`` command, which is the doctor where nothing is said."""

import sys

from swahr_command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["doctor"]))
