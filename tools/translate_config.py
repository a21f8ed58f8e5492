"""Translate a config of MMPose 0.x for HigherHRNet into one of this package.

Lists the settings that have no counterpart. Configs are Python files: reading one runs it, so only
translate files that you trust. Without NEW the config is printed, and the list goes to stderr.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import command_line

from swahr_mmpose.translation import OldConfigError, translate
from swahr_mmpose.utils.config_files import read_config_file
from swahr_mmpose.utils.files import check_destination, write_atomically


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("old", type=Path, help="the config of MMPose 0.x, with those it inherits")
    parser.add_argument("new", type=Path, nargs="?", help="where to write the translated one")
    return parser.parse_args(argv)


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Translate."""
    args = parse_args(argv)
    if args.new is not None:
        if args.new.exists():
            raise FileExistsError(f"'{args.new}' is there already. Name another file.")
        check_destination(args.new)
    # variables of other files in {{ }} are known only where they are put in
    old = read_config_file(args.old, import_custom_modules=False)
    try:
        translation = translate(old.to_dict())
        text = translation.text()
    except OldConfigError as error:
        raise ValueError(f"The config '{args.old}' can't be translated. {error}") from error
    if args.new is not None:
        write_atomically(args.new, text.encode())
    else:
        print(text, end="")
    listing = sys.stderr if args.new is None else sys.stdout
    report = translation.report()
    if report:
        print(f"{len(report)} settings have no counterpart:", file=listing)
        for line in report:
            print(f"  {line}", file=listing)
    else:
        print("All settings were translated.", file=listing)


if __name__ == "__main__":
    sys.exit(main())
