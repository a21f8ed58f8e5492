"""Show where AP is lost: an HTML page about people that were found, which opens without a server.

It has AP by size and crowding, what each class of errors costs (after Ronchi and Perona, ICCV
2017), and the images that went worst, drawn.

RESULTS is a file of `mim test` (`test_evaluator.outfile_prefix`), or of `swahr predict`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command_line
import numpy as np
from tqdm import tqdm
from xtcocotools.coco import COCO

from swahr_mmpose.analysis.breakdown import Description, image_people
from swahr_mmpose.analysis.per_image_ap import FoundPeople
from swahr_mmpose.analysis.report import analysis_page
from swahr_mmpose.datasets.metainfo import parsed_description
from swahr_mmpose.evaluation.coco_index import read_labels
from swahr_mmpose.utils.files import check_destination


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("annotations", type=Path, help="COCO annotations")
    parser.add_argument("results", type=Path, help=".json in COCO's form, or .jsonl")
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument(
        "--dataset", default="coco", help="name or path of its description (default: coco)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("analysis.html"), help="the page (default: analysis.html)"
    )
    parser.add_argument("--worst", type=int, default=12, help="images that are drawn (default: 12)")
    args = parser.parse_args(argv)
    if args.worst < 0:
        parser.error(f"--worst must be at least 0, but is {args.worst}")
    return args


def read_results(
    path: Path, annotations: COCO, num_keypoints: int
) -> tuple[dict[int, FoundPeople], dict[int, np.ndarray]]:
    """People, and the scores of their keypoints (P, K), by image id; also where no one was found.

    Raises:
        ValueError: If the file can't be read as results, names images that are not labelled, or
            holds something else than finite numbers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        text = path.read_text(encoding="utf-8")
        records = list(_of_lines(text, annotations) if path.suffix == ".jsonl" else _of_list(text))
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"'{path}' can't be read as results ({error!r}).") from error
    people: dict[int, list[Any]] = {image: [] for image in annotations.getImgIds()}
    for where, image, keypoints, score in records:
        if not isinstance(image, (int, float, str)) or image not in people:
            raise ValueError(f"'{path}' has people in the image {image}, which has no labels.")
        _check_numbers(f"'{path}', {where}, image {image}", keypoints, score)
        if len(keypoints) != 3 * num_keypoints:
            raise ValueError(
                f"'{path}' has a person of {len(keypoints)} numbers, which are not the "
                f"{num_keypoints} keypoints of this dataset, x, y and score each. Name it with "
                "--dataset."
            )
        people[image].append((np.array(keypoints, float).reshape(-1, 3), float(score)))
    found, keypoint_scores = {}, {}
    for image, own in people.items():
        places = np.array([keypoints for keypoints, _ in own]).reshape(-1, num_keypoints, 3)
        found[image] = FoundPeople(places[..., :2], np.array([score for _, score in own]))
        keypoint_scores[image] = places[..., 2]
    return found, keypoint_scores


def _check_numbers(where: str, keypoints: Any, score: Any) -> None:
    """Raise a ValueError if something else is among a person's numbers."""
    if not isinstance(keypoints, list):
        raise ValueError(f"{where}: `keypoints` is {keypoints!r}, and must be a list of numbers.")
    for name, values in (("keypoints", keypoints), ("score", [score])):
        for value in values:
            # NaN is not under any limit
            if not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
                raise ValueError(
                    f"{where}: `{name}` holds {value!r}, and must hold finite numbers only. Leave "
                    "this person out, or predict again."
                )


def _of_list(text: str) -> Iterator[tuple[str, Any, Any, Any]]:
    """COCO's form: which entry, the image, keypoints, score."""
    for number, record in enumerate(json.loads(text), 1):
        yield f"entry {number}", record["image_id"], record["keypoints"], record["score"]


def _of_lines(text: str, annotations: COCO) -> Iterator[tuple[str, Any, Any, Any]]:
    """The form of `swahr predict`, which names files."""
    ids = {image["file_name"]: image["id"] for image in annotations.dataset["images"]}
    # names of files may have Unicode's line breaks in them
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        record = json.loads(line)
        image = ids.get(record["file"], record["file"])
        for index, person in enumerate(record["people"], 1):
            known = zip(person["keypoints"], person["keypoint_scores"])
            flat = [value for place, score in known for value in (*place, score)]
            yield f"line {number}, person {index}", image, flat, person["score"]


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Analyze."""
    args = parse_args(argv)
    check_destination(args.out, args.annotations, args.results)
    meta = parsed_description(args.dataset)
    annotations = read_labels(args.annotations, meta)
    found, keypoint_scores = read_results(args.results, annotations, meta["num_keypoints"])
    description = Description(meta["sigmas"], meta["flip_indices"])
    images = image_people(annotations, found, description)
    worst = sorted(images, key=lambda image: -images[image].lost)[: args.worst]
    with tqdm(worst, unit="image") as bar:
        page = analysis_page(
            args.results.name, annotations, images, keypoint_scores, meta, args.images, bar
        )
    args.out.write_text(page, encoding="utf-8")
    print(f"Wrote {args.out}")


if __name__ == "__main__":
    sys.exit(main())
