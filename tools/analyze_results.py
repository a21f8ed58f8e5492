"""Where AP is lost: an HTML page about the people that were found, which opens without a server.

It has AP by size and crowding, what each class of errors costs (after Ronchi and Perona, ICCV
2017), and the pictures that went worst, drawn.

RESULTS is a file of `mim test` (`test_evaluator.outfile_prefix`), or of tools/predict.py.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import html
import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from tqdm import tqdm
from xtcocotools.coco import COCO

from swahr_mmpose.datasets.annotation_problems import read_annotations
from swahr_mmpose.datasets.descriptions import description_file
from swahr_mmpose.evaluation.analysis import (
    Description,
    PicturePeople,
    ap_by_kind,
    ap_without,
    error_counts,
    errors_by_keypoint,
    picture_people,
)
from swahr_mmpose.evaluation.picture_results import FoundPeople
from swahr_mmpose.evaluation.pose_errors import KEYPOINT_CLASSES, PERSON_CLASSES
from swahr_mmpose.visualization.people_drawing import draw_people

#: Pictures on the page have a long side of at most so many pixels.
_LONG_SIDE = 480

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; }
figure img { max-width: 49%; vertical-align: top; }
figcaption { color: #888; }
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("annotations", type=Path, help="COCO annotations")
    parser.add_argument("results", type=Path, help=".json in COCO's form, or .jsonl")
    parser.add_argument("--images", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--dataset", default="coco", help="name or path of its description (coco)")
    parser.add_argument("--out", type=Path, default=Path("analysis.html"), help="(analysis.html)")
    parser.add_argument("--worst", type=int, default=12, help="pictures that are drawn (12)")
    return parser.parse_args(argv)


def read_results(path: Path, annotations: COCO, num_keypoints: int) -> dict[int, FoundPeople]:
    """People by image id; pictures without people are there too.

    Raises:
        ValueError: If the file can't be read as results, or names pictures that are not labelled.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        text = path.read_text(encoding="utf-8")
        records = list(_of_lines(text, annotations) if path.suffix == ".jsonl" else _of_list(text))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"'{path}' can't be read as results ({error!r}).") from error
    people: dict[int, list[Any]] = {image: [] for image in annotations.getImgIds()}
    for image, keypoints, score in records:
        if image not in people:
            raise ValueError(f"'{path}' has people in the picture {image}, which has no labels.")
        places = np.array(keypoints, float).reshape(-1, len(keypoints) // num_keypoints or 1)
        if places.shape[0] != num_keypoints or places.shape[1] < 2:
            raise ValueError(
                f"'{path}' has a person of {len(keypoints)} numbers, which are not the "
                f"{num_keypoints} keypoints of this dataset. Name it with --dataset."
            )
        people[image].append((places[:, :2], float(score)))
    return {
        image: FoundPeople(
            np.array([keypoints for keypoints, _ in own]).reshape(-1, num_keypoints, 2),
            np.array([score for _, score in own]),
        )
        for image, own in people.items()
    }


def _of_list(text: str) -> Iterator[tuple[int, list[float], float]]:
    """COCO's form."""
    for record in json.loads(text):
        yield record["image_id"], record["keypoints"], record["score"]


def _of_lines(text: str, annotations: COCO) -> Iterator[tuple[int, list[float], float]]:
    """The form of tools/predict.py, which names files."""
    ids = {image["file_name"]: image["id"] for image in annotations.dataset["images"]}
    for line in text.splitlines():
        record = json.loads(line)
        for person in record["people"]:
            flat = [value for place in person["keypoints"] for value in place]
            yield ids.get(record["file"], record["file"]), flat, person["score"]


def table(header: list[str], rows: list[list[str]]) -> str:
    """An HTML table."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def figure(picture: PicturePeople, info: dict[str, Any], folder: Path, skeleton: Any) -> str:
    """Found people beside the labelled ones."""
    path = folder / info["file_name"]
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f"'{path}' is missing or can't be read as a picture.")
    factor = min(1.0, _LONG_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    found = picture.found
    # what would be seen in an application; strangers of low score cost little
    shown = found.scores > 0.1
    sides = [
        draw_people(
            small, found.keypoints[shown] * factor,
            np.ones(found.keypoints[shown].shape[:2]), found.scores[shown], skeleton,
        ),
        draw_people(
            small, picture.labels[..., :2] * factor, np.minimum(picture.labels[..., 2], 1),
            np.ones(len(picture.labels)), skeleton,
        ),
    ]  # fmt: skip
    tags = "".join(f'<img alt="" src="{_inline(side)}">' for side in sides)
    counts = picture.diagnosis.counts()
    said = ", ".join(f"{counts[kind]} {kind}" for kind in (*KEYPOINT_CLASSES, *PERSON_CLASSES))
    return (
        f"<figure>{tags}<figcaption>{html.escape(info['file_name'])}, image {info['id']}: "
        f"{said}</figcaption></figure>"
    )


def _inline(image: np.ndarray) -> str:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()


def page(
    annotations: COCO, pictures: Mapping[int, PicturePeople], meta: dict[str, Any], args: Any
) -> str:
    """The whole page."""
    sigmas = meta["sigmas"]
    by_kind = ap_by_kind(annotations, pictures, sigmas)
    without = ap_without(annotations, pictures, sigmas)
    counts = error_counts(pictures)
    total = max(1, sum(counts[kind] for kind in KEYPOINT_CLASSES))
    names = [meta["keypoint_id2name"][k] for k in range(meta["num_keypoints"])]
    parts = [
        f"<h1>{html.escape(args.results.name)}: AP {by_kind['all']:.3f}</h1>",
        f"<p>{len(pictures)} pictures, {sum(len(p.labels) for p in pictures.values())} labelled "
        f"people, {sum(len(p.found.scores) for p in pictures.values())} found.</p>",
        "<h2>AP by kind of person</h2>",
        table(
            ["people", "AP"],
            [[kind, "–" if np.isnan(ap) else f"{ap:.3f}"] for kind, ap in by_kind.items()],
        ),
        "<h2>What errors cost</h2><p>AP if one kind of error were not there, each kind alone.</p>",
        table(
            ["without", "AP", "gain"],
            [[k, f"{v:.3f}", f"{v - by_kind['all']:+.3f}"] for k, v in without.items()],
        ),
        "<h2>Errors</h2>",
        table(["people", "number"], [[kind, str(counts[kind])] for kind in PERSON_CLASSES]),
        table(
            ["keypoints of people who were found", *KEYPOINT_CLASSES],
            [["all", *(f"{100 * counts[kind] / total:.1f} %" for kind in KEYPOINT_CLASSES)]]
            + [
                [name, *(f"{100 * n / max(1, row.sum()):.1f} %" for n in row)]
                for name, row in zip(names, errors_by_keypoint(pictures))
            ],
        ),
        "<h2>The pictures that went worst</h2>",
        "<p>Found people on the left, labels on the right.</p>",
    ]
    worst = sorted(pictures, key=lambda image: -pictures[image].lost)[: args.worst]
    for image in tqdm(worst, unit="picture"):
        (info,) = annotations.loadImgs([image])
        parts.append(figure(pictures[image], info, args.images, meta["skeleton_links"]))
    title = html.escape(args.results.name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def main(argv: list[str] | None = None) -> int:
    """Analyze."""
    args = parse_args(argv)
    try:
        read_annotations(args.annotations)
        with contextlib.redirect_stdout(io.StringIO()):
            annotations = COCO(str(args.annotations))
        path = args.dataset if args.dataset.endswith(".py") else description_file(args.dataset)
        meta = parse_pose_metainfo(dict(from_file=path))
        found = read_results(args.results, annotations, meta["num_keypoints"])
        description = Description(meta["sigmas"], meta["flip_indices"])
        pictures = picture_people(annotations, found, description)
        args.out.write_text(page(annotations, pictures, meta, args), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
