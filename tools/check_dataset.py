"""Check a COCO keypoint annotation file: list all problems at once, each with its fix.

With --images the images are read too; those that can't be are left out of the fixed file.

Exits with 0 if there are none, 1 if there are, 2 if the file can't be read at all.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

import command_line
from tqdm import tqdm

from swahr_mmpose.datasets.annotations.check import WHOLE_BODY_FIELDS, check_content
from swahr_mmpose.datasets.annotations.reading import read_annotations
from swahr_mmpose.datasets.metainfo import keypoint_names
from swahr_mmpose.utils.files import check_destination


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("annotations", type=Path, help="the file, .json")
    parser.add_argument("--images", type=Path, help="folder of the images, which are read too")
    parser.add_argument(
        "--dataset",
        metavar="NAME_OR_FILE",
        help="the dataset's description, whose keypoints the file must have",
    )
    parser.add_argument("--fix", type=Path, metavar="OUT", help="write a fixed file")
    return parser.parse_args(argv)


@command_line.exit_code
def main(argv: list[str] | None = None) -> int:
    """Check; 1 if there are problems."""
    args = parse_args(argv)
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f"There is no folder '{args.images}'.")
    if args.fix:
        check_destination(args.fix, args.annotations)
    content = read_annotations(args.annotations)
    progress = functools.partial(
        tqdm, total=len(content["images"]), unit=" images", disable=None if args.images else True
    )
    names = dict(enumerate(keypoint_names(args.dataset))) if args.dataset else {}
    fields = {"keypoints": len(names)} if names else None
    if len(names) == sum(WHOLE_BODY_FIELDS.values()):
        fields = WHOLE_BODY_FIELDS
    found = check_content(content, fields, names, args.images, progress=progress)
    problems, fixed = found.problems, found.fixed
    for problem in problems:
        note = "" if problem.stops else " (Training and test take it as it is.)"
        command_line.say(f"{problem}{note}")
    print(
        f"{len(content['images'])} images, {len(content['annotations'])} annotations, "
        f"{len(problems)} problems"
    )
    remaining = sum(not problem.fixed for problem in problems)
    has_labels = any(person.get("num_keypoints") for person in fixed["annotations"])
    if args.fix and problems and (remaining == len(problems) or not has_labels):
        print(f"Did not write {args.fix}: it would be as broken, or have no labelled keypoint.")
    elif args.fix:
        command_line.write_json(args.fix, fixed)
        print(
            f"Wrote {args.fix} with {len(fixed['annotations'])} annotations; {remaining} problems "
            "remain in it."
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
