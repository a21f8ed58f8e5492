"""Translate a config of MMPose 0.x for HigherHRNet into one of this package.

Lists the settings that have no counterpart. Configs are Python files: reading one runs it, so only
translate files that you trust. Without NEW the config is printed, and the list goes to stderr.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from swahr_mmpose.translation import translate
from swahr_mmpose.utils.config_files import read_config_file
from swahr_mmpose.utils.files import check_destination, write_atomically


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, help="the config of MMPose 0.x, with those it inherits")
    parser.add_argument("new", type=Path, nargs="?", help="where to write the translated one")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Translate."""
    args = parse_args(argv)
    try:
        if args.new is not None and args.new.exists():
            raise FileExistsError(f"'{args.new}' is there already. Name another file.")
        if args.new is not None:
            check_destination(args.new)
        # variables of other files in {{ }} are known only where they are put in
        old = read_config_file(args.old, import_custom_modules=False)
        translation = translate(old.to_dict())
        text = translation.text()
        if args.new is not None:
            write_atomically(args.new, text.encode())
    except (OSError, ValueError) as error:
        print(f"error: {args.old}: {error}", file=sys.stderr)
        return 1
    if args.new is None:
        print(text, end="")
    listing = sys.stderr if args.new is None else sys.stdout
    report = translation.report()
    if report:
        print(f"{len(report)} settings have no counterpart:", file=listing)
        for line in report:
            print(f"  {line}", file=listing)
    else:
        print("All settings were translated.", file=listing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
