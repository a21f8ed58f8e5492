"""Reads annotation files, checked; unusable ones raise an error that says why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.fileio import get_local_path
from mmengine.logging import print_log

from .check import Findings, check_content
from .problem import Problem

#: The lists that such a file has.
SECTIONS = ("images", "annotations", "categories")

#: Problems that a message lists.
_SHOWN = 10


class AnnotationFileError(ValueError):
    """A file that is no COCO annotations at all, or whose annotations can't be used."""


def read_annotations(
    path: str | Path, name: str | None = None, optional: Sequence[str] = ()
) -> dict[str, Any]:
    """The content of an annotation file, unchecked but for its sections.

    Args:
        path: The file.
        name: What messages call it; None: its path.
        optional: Sections that may be missing, and are empty then.

    Raises:
        FileNotFoundError: If there is no such file.
        AnnotationFileError: If it is no JSON, or lacks images, annotations or categories.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "test.json")
        ...     _ = path.write_text('{"images": [{"id": 1}], "categories": []}')
        ...     read_annotations(path, optional=["annotations"])
        {'annotations': [], 'images': [{'id': 1}], 'categories': []}
    """
    name = str(path) if name is None else name
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file '{name}', or it is a folder or a pipe.")
    try:
        # bytes, of which json takes UTF-8 and UTF-16, with and without a byte-order mark
        content = json.loads(Path(path).read_bytes())
    except RecursionError as error:
        raise AnnotationFileError(f"'{name}' is nested too deeply for annotations.") from error
    except ValueError as error:
        is_text = not isinstance(error, UnicodeDecodeError)
        advice = "Was it copied to its end?" if is_text else "Save it as UTF-8."
        raise AnnotationFileError(f"'{name}' is no whole JSON file: {error}. {advice}") from error
    if isinstance(content, dict):
        content = {**{section: [] for section in optional}, **content}
    for section in SECTIONS:
        entries = content.get(section) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise AnnotationFileError(
                f"'{name}' has no list of objects `{section}`: it is no file of COCO annotations."
            )
    return dict(content)


def usable_annotations(
    ann_file: str,
    fields: Mapping[str, int],
    skip_broken: bool,
    for_training: bool = False,
    needs_area: bool = False,
    optional: Sequence[str] = (),
    names: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """The content of an annotation file, with images and annotations of people only.

    Args:
        ann_file: Its path, or address for MMEngine's ``fileio``.
        fields: The fields that hold keypoints, and how many each holds.
        skip_broken: Whether to leave out images and annotations that can't be used, and list
            them in the log; False: they are an error.
        for_training: As for :func:`.check.check_content`.
        needs_area: Whether a missing area is a problem.
        optional: Sections that the file may lack.
        names: The dataset's keypoints by their index, whose order the file must not contradict.

    Raises:
        FileNotFoundError: If there is no such file.
        AnnotationFileError: If it is none of annotations; something in it can't be used, and it
            is not to be left out; or nothing is left.
    """
    with get_local_path(ann_file) as path:
        content = read_annotations(path, ann_file, optional)
    found = check_content(content, fields, names, for_training=for_training, needs_area=needs_area)
    for problem in found.problems:
        if problem.where == "file" and not problem.stops:
            print_log(f"'{ann_file}': {problem.what}. {problem.fix}.", logger="current")
    stopping = [problem for problem in found.problems if problem.stops]
    is_usable = found.usable["annotations"] or not for_training
    if stopping and not (skip_broken and is_usable and all(p.fixed for p in stopping)):
        raise AnnotationFileError(_error(ann_file, stopping))
    if stopping:
        print_log(_warning(ann_file, stopping, content, found), logger="current", level=30)
    return found.usable


def _error(ann_file: str, stopping: list[Problem]) -> str:
    """The first problems, those first that the checker can't fix."""
    lines = [f"- {problem}" for problem in sorted(stopping, key=lambda problem: problem.fixed)]
    lines[_SHOWN:] = [f"- and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    if any(problem.fixed for problem in stopping):
        lines.append(
            f"`swahr check {ann_file!r} --fix fixed.json` lists all and writes a file "
            "that is fixed as said above. Or leave broken entries out with `skip_broken=True`, of "
            "the dataset and of its metric."
        )
    title = f"'{ann_file}' can't be trained or tested with ({len(stopping)} problems):"
    return "\n".join([title, *lines])


def _warning(
    ann_file: str, stopping: list[Problem], content: dict[str, Any], found: Findings
) -> str:
    lost = ", ".join(
        f"{len(content[name]) - len(found.usable[name])} of {len(content[name])} {name}"
        for name in ("images", "annotations")
    )
    title = f"'{ann_file}': `skip_broken` leaves out {lost}. Whoever is left out is background."
    return "\n".join([title, *(f"- {problem.where}: {problem.what}" for problem in stopping)])
