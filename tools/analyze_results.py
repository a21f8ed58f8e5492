"""Show where AP is lost: an HTML page about people that were found, which opens without a server.

It has AP by size and crowding, what each class of errors costs (after Ronchi and Perona, ICCV
2017), and the images that went worst, drawn.

RESULTS is a file of `mim test` (`test_evaluator.outfile_prefix`), or of `swahr predict`. SECOND is
another one for the same images: the difference in AP is printed, with its 95 % interval (paired
bootstrap over images).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import command_line
import numpy as np
from tqdm import tqdm
from xtcocotools.coco import COCO

from swahr_mmpose.analysis.bootstrap import compare
from swahr_mmpose.analysis.breakdown import Description, image_people
from swahr_mmpose.analysis.per_image_ap import FoundPeople, evaluate_images
from swahr_mmpose.analysis.report import analysis_page
from swahr_mmpose.datasets.metainfo import parsed_description
from swahr_mmpose.evaluation.coco_index import read_labels
from swahr_mmpose.utils.files import check_destination


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("annotations", type=Path, help="COCO annotations")
    parser.add_argument("results", type=Path, help=".json in COCO's form, or .jsonl")
    parser.add_argument("second", type=Path, nargs="?", help="results to compare with the first")
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

    The images are those that have a line. COCO's form says nothing of images where no one was
    found: there they are all.

    Raises:
        ValueError: If the file can't be read as results, names images that are not labelled, an
            image twice or a file that two images have, or holds something else than finite
            numbers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    of_lines = path.suffix == ".jsonl"
    try:
        text = path.read_text(encoding="utf-8")
        people = _of_lines(text, annotations) if of_lines else _of_list(text)
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"'{path}' can't be read as results ({error!r}).") from error
    unknown = [image for image in people if image not in annotations.imgs]
    if unknown:
        raise ValueError(
            f"'{path}' has results for {len(unknown)} images without labels, first "
            f"{unknown[0]!r}. Leave them out, or name the annotations that they belong to."
        )
    missing = [image for image in annotations.imgs if image not in people]
    if of_lines and len(missing) == len(annotations.imgs):
        raise ValueError(f"'{path}' has no line for any labelled image. Name other results.")
    if missing:
        effect = "The figures are for the others" if of_lines else "Their people count as missed"
        command_line.say(
            f"warning: '{path}' has nothing for {len(missing)} of {len(annotations.imgs)} labelled "
            f"images, first {annotations.imgs[missing[0]]['file_name']!r}. {effect}.",
            sys.stderr,
        )
    repeated = [
        image
        for image, own in people.items()
        if len({str(person) for _, *person in own}) < len(own)
    ]
    if repeated:
        command_line.say(
            f"warning: '{path}' has the same person twice in {len(repeated)} images, first image "
            f"{repeated[0]}. The second counts as a false positive.",
            sys.stderr,
        )
    found, keypoint_scores = {}, {}
    for image in annotations.imgs:
        if image in people or not of_lines:
            places, scores = _checked(path, image, people.get(image, []), num_keypoints)
            found[image] = FoundPeople(places[..., :2], scores)
            keypoint_scores[image] = places[..., 2]
    return found, keypoint_scores


def _checked(
    path: Path, image: int, people: list[Any], num_keypoints: int
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints with their scores, (P, K, 3), and the people's scores, (P,)."""
    for where, keypoints, score in people:
        _check_numbers(f"'{path}', {where}, image {image}", keypoints, score)
        if len(keypoints) != 3 * num_keypoints:
            raise ValueError(
                f"'{path}' has a person of {len(keypoints)} numbers, which are not the "
                f"{num_keypoints} keypoints of this dataset, x, y and score each. Name it with "
                "--dataset."
            )
    places = np.array([keypoints for _, keypoints, _ in people], float)
    scores = np.array([score for *_, score in people], float)
    return places.reshape(-1, num_keypoints, 3), scores


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


def _of_list(text: str) -> dict[Any, list[Any]]:
    """COCO's form, an entry for each person: by image which entry, keypoints and score."""
    people = defaultdict(list)
    for number, record in enumerate(json.loads(text), 1):
        person = f"entry {number}", record["keypoints"], record["score"]
        people[record["image_id"]].append(person)
    return people


def _of_lines(text: str, annotations: COCO) -> dict[Any, list[Any]]:
    """The form of `swahr predict`, a line for each image by its file: as :func:`_of_list`."""
    ids = defaultdict(list)
    for image in annotations.dataset["images"]:
        ids[image["file_name"]].append(image["id"])
    people: dict[Any, list[Any]] = {}
    # names of files may have Unicode's line breaks in them
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        record = json.loads(line)
        image, *others = ids.get(record["file"], [record["file"]])
        if others:
            raise ValueError(
                f"The images {[image, *others]} of the annotations have one `file_name`, "
                f"{record['file']!r}. Give results in COCO's form, which has ids."
            )
        if image in people:
            raise ValueError(
                f"Line {number} of the results is the second one of {record['file']!r}. Remove one."
            )
        people[image] = []
        for index, person in enumerate(record["people"], 1):
            known = zip(person["keypoints"], person["keypoint_scores"])
            flat = [value for place, score in known for value in (*place, score)]
            people[image].append((f"line {number}, person {index}", flat, person["score"]))
    return people


def difference_in_ap(annotations: COCO, sigmas: Any, *found: dict[int, FoundPeople]) -> str:
    """How much higher AP is for the second people who were found than for the first.

    Raises:
        ValueError: If they are not for the same images, at least two.
    """
    alone = sorted(found[0].keys() ^ found[1].keys())
    if alone:
        raise ValueError(
            f"Only one of the files has results for {len(alone)} images, first image {alone[0]}. "
            "Compare results for the same images."
        )
    difference = compare(*(evaluate_images(annotations, own, sigmas) for own in found))
    return f"{difference.value:+.3f} (95 %: {difference.low:+.3f} to {difference.high:+.3f})"


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Analyze."""
    args = parse_args(argv)
    check_destination(args.out, args.annotations, args.results, args.second or args.results)
    meta = parsed_description(args.dataset)
    annotations = read_labels(args.annotations, meta)
    found, keypoint_scores = read_results(args.results, annotations, meta["num_keypoints"])
    if args.second:
        second, _ = read_results(args.second, annotations, meta["num_keypoints"])
        difference = difference_in_ap(annotations, meta["sigmas"], found, second)
        command_line.say(f"AP of {args.second} less AP of {args.results}: {difference}")
    description = Description(meta["sigmas"], meta["flip_indices"])
    images = image_people(annotations, found, description)
    worst = sorted(images, key=lambda image: -images[image].lost)[: args.worst]
    with tqdm(worst, unit="image", disable=None) as bar:
        page = analysis_page(
            args.results.name, annotations, images, keypoint_scores, meta, args.images, bar
        )
    args.out.write_text(page, encoding="utf-8")
    command_line.say(f"Wrote {args.out}")


if __name__ == "__main__":
    sys.exit(main())
