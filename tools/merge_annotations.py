"""Merge annotation files in COCO format, such as CrowdPose's train and val into trainval.

Images must differ between the files; annotations are numbered anew where their ids do not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import command_line

from swahr_mmpose.datasets.annotations.problem import is_id, shown
from swahr_mmpose.datasets.annotations.reading import read_annotations
from swahr_mmpose.utils.files import check_destination


def merge(contents: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """One content of all.

    Args:
        contents: Parsed annotation files.
        names: Their names, for messages.

    Raises:
        ValueError: If categories differ, an entry has no id, or an image is in two files.
    """
    for content, name in zip(contents, names):
        if content["categories"] != contents[0]["categories"]:
            raise ValueError(f"'{name}' has other `categories` than '{names[0]}'.")
    seen: dict[Any, str] = {}
    for content, name in zip(contents, names):
        for entry in [*content["images"], *content["annotations"]]:
            if not is_id(entry.get("id")):
                raise ValueError(
                    f"'{name}' has an entry whose `id` is {shown(entry.get('id'))}. Fix it with "
                    "`swahr check` first."
                )
        for image in content["images"]:
            if image["id"] in seen:
                raise ValueError(
                    f"Image {image['id']} is in '{seen[image['id']]}' and in '{name}'. Merge "
                    "files of different images."
                )
            seen[image["id"]] = name
    annotations = [dict(a) for content in contents for a in content["annotations"]]
    if len({annotation["id"] for annotation in annotations}) < len(annotations):
        for index, annotation in enumerate(annotations, start=1):
            annotation["id"] = index
    images = [image for content in contents for image in content["images"]]
    return dict(contents[0], images=images, annotations=annotations)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="the files to merge")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    return parser.parse_args(argv)


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Merge."""
    args = parse_args(argv)
    check_destination(args.out, *args.files)
    merged = merge([read_annotations(file) for file in args.files], args.files)
    command_line.write_json(args.out, merged)
    counts = f"{len(merged['images'])} images and {len(merged['annotations'])} annotations"
    print(f"Wrote {counts} to {args.out}")


if __name__ == "__main__":
    sys.exit(main())
