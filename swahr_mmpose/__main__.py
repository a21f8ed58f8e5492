"""``python -m swahr_mmpose``: the ``swahr`` command; without a verb, it runs the doctor."""

import sys

from swahr_command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["doctor"]))
