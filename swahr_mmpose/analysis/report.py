"""The page that says where AP is lost: HTML that opens without a server."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from xtcocotools.coco import COCO

from ..images.files import read_annotated
from ..visualization.people_drawing import PERSON_COLORS, draw_people
from .breakdown import (
    ImagePeople,
    ap_by_kind,
    ap_without,
    error_counts,
    errors_by_keypoint,
    people_by_kind,
)
from .pose_errors import KEYPOINT_CLASSES, PERSON_CLASSES

#: Images on the page have a long side of at most so many pixels.
_LONG_SIDE = 480

#: Found people, and their keypoints, of lower scores are not drawn. False positives among them
#: cost little, and what was filled in for missing keypoints hides the rest.
_PERSON_THR, _KEYPOINT_THR = 0.3, 0.2

#: Lines and keypoints are so many times as wide as elsewhere, so that people are seen behind them.
_THIN = 0.6

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.bar { display: inline-block; height: .7em; background: #0072b2; margin-left: .5em; }
.scroll { overflow-x: auto; }
figure { margin: 2rem 0; }
.sides { display: flex; gap: .5rem; }
.sides div { flex: 1; min-width: 0; max-width: 480px; }
.sides img { width: 100%; display: block; }
figcaption, .note { color: color-mix(in srgb, currentColor 70%, transparent); }
"""

_ERRORS = (
    "A keypoint of a found person is good, or has <em>jitter</em>: it lies a little beside its "
    "label. In an <em>inversion</em> left and right are exchanged, in a <em>swap</em> it lies on "
    "another person, and a <em>miss</em> is anything else. False positives are "
    "<em>duplicates</em> of a labelled person who was found before, or <em>background</em>; most "
    "have a low score, and then they cost little. (Ronchi and Perona, ICCV 2017.)"
)


def analysis_page(
    name: str,
    annotations: COCO,
    images: Mapping[int, ImagePeople],
    keypoint_scores: Mapping[int, np.ndarray],
    meta: Mapping[str, Any],
    folder: Path,
    worst: Iterable[int],
) -> str:
    """The whole page.

    Args:
        name: What was analyzed.
        annotations: The labelled people.
        images: Found and labelled people by image id.
        keypoint_scores: (P, K) of the found people, by image id.
        meta: The dataset's description, as MMPose parses it.
        folder: Of the images.
        worst: Image ids of those that are drawn.

    Raises:
        ImageError: If an image can't be read.
    """
    by_kind = ap_by_kind(annotations, images, meta["sigmas"])
    numbers = people_by_kind(images)
    figures = []
    for image_id in worst:
        (info,) = annotations.loadImgs([image_id])
        image_people, scores = images[image_id], keypoint_scores[image_id]
        figures.append(_figure(image_people, scores, info, folder, meta["skeleton_links"]))
    title = html.escape(name)
    parts = [
        f"<h1>{title}: AP {_ap(by_kind['all'])}</h1>",
        f"<p>Images: {len(images)}. Labelled people: "
        f"{sum(len(p.labels) for p in images.values())}, found: "
        f"{sum(len(p.found.scores) for p in images.values())}.</p>",
        "<h2>AP by kind of person</h2>",
        _table(
            ["people", "labelled", "AP"],
            [[kind, str(numbers[kind]), _ap(ap)] for kind, ap in by_kind.items()],
        ),
        '<p class="note">Medium: 32² to 96² square pixels. Large: more.</p>',
        "<h2>What errors cost</h2><p>AP if one kind of error were not there, each kind alone.</p>",
        _costs(by_kind["all"], ap_without(annotations, images, meta["sigmas"])),
        f"<h2>Errors</h2><p>{_ERRORS}</p>",
        *_error_tables(images, meta),
        "<h2>The images that went worst</h2>",
        "<p>A found person has the colour of its label; false positives have other colours. "
        f"There are {len(PERSON_COLORS)} colours, in turn. People of a score under {_PERSON_THR}, "
        f"and keypoints under {_KEYPOINT_THR}, are not drawn.</p>",
        *figures,
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _ap(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return _table_of_html(header, [[html.escape(cell) for cell in row] for row in rows])


def _table_of_html(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _costs(ap: float, without: Mapping[str, float]) -> str:
    """AP without each kind of error, and the gain as a bar."""
    rows = []
    for kind, value in without.items():
        width = max(0.0, value - ap) * 40  # in em, for a gain of 1
        bar = f'<span class="bar" style="width:{width:.2f}em"></span>'
        rows.append([html.escape(kind), _ap(value), f"{value - ap:+.3f}", bar])
    table = _table_of_html(["without", "AP", "gain", ""], rows)
    return table.replace("<td><span", '<td style="text-align:left"><span')


def _error_tables(images: Mapping[int, ImagePeople], meta: Mapping[str, Any]) -> list[str]:
    counts = error_counts(images)
    total = max(1, sum(counts[kind] for kind in KEYPOINT_CLASSES))
    names = [meta["keypoint_id2name"][k] for k in range(meta["num_keypoints"])]
    shares = [["all", *(f"{100 * counts[kind] / total:.1f} %" for kind in KEYPOINT_CLASSES)]]
    for name, row in zip(names, errors_by_keypoint(images)):
        label = name.replace("_", " ")
        shares.append([label, *(f"{100 * n / max(1, row.sum()):.1f} %" for n in row)])
    return [
        _table(["people", "number"], [[kind, str(counts[kind])] for kind in PERSON_CLASSES]),
        _table(["keypoints of found people", *KEYPOINT_CLASSES], shares),
    ]


def _figure(
    image_people: ImagePeople,
    keypoint_scores: np.ndarray,
    info: Mapping[str, Any],
    folder: Path,
    skeleton: Sequence[Sequence[int]],
) -> str:
    """Found people beside the labelled ones."""
    image = read_annotated(folder, info)
    factor = min(1.0, _LONG_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    visible = np.minimum(image_people.labels[..., 2], 1)
    everyone = np.ones(len(image_people.labels))
    places, scores, people_scores = _in_order_of_labels(image_people, keypoint_scores, factor)
    sides = {
        "found": draw_people(small, places, scores, people_scores, skeleton,
                             person_thr=_PERSON_THR, keypoint_thr=_KEYPOINT_THR,
                             line_scale=_THIN, point_scale=_THIN),
        "labelled": draw_people(small, image_people.labels[..., :2] * factor, visible, everyone,
                                skeleton, line_scale=_THIN, point_scale=_THIN),
    }  # fmt: skip
    shown = "".join(
        f'<div><img alt="{side} people" src="{_inline(drawn)}">{side}</div>'
        for side, drawn in sides.items()
    )
    counts = image_people.diagnosis.counts()
    people = ", ".join(f"{counts[kind]} {kind}" for kind in PERSON_CLASSES)
    keypoints = ", ".join(f"{counts[kind]} {kind}" for kind in KEYPOINT_CLASSES)
    return (
        f'<figure><div class="sides">{shown}</div><figcaption>{html.escape(info["file_name"])}, '
        f"image {info['id']}. People: {people}. Keypoints: {keypoints}.</figcaption></figure>"
    )


def _in_order_of_labels(
    image_people: ImagePeople, keypoint_scores: np.ndarray, factor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints, their scores and people's: first who each labelled one is, then the others.

    They are drawn in the colours of the labelled people so. Who was not found has no score.
    """
    person = image_people.diagnosis.person
    number = len(image_people.labels)
    rows = np.where(person >= 0, person, 0)
    rows[person < 0] = number + np.arange((person < 0).sum())
    length = number + int((person < 0).sum())
    keypoints = np.zeros((length, *image_people.labels.shape[1:2], 2))
    scores, people = np.zeros(keypoints.shape[:2]), np.full(length, -1.0)
    keypoints[rows] = image_people.found.keypoints * factor
    scores[rows] = keypoint_scores
    people[rows] = image_people.found.scores
    return keypoints, scores, people


def _inline(image: np.ndarray) -> str:
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()
