"""Annotation content and files of any kind: problems are listed, and fixed content has none."""

import json
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["swahr_mmpose.datasets"]):
    from swahr_mmpose.datasets.annotations.check import check_content
    from swahr_mmpose.datasets.annotations.reading import AnnotationFileError, read_annotations

from tests.fuzz.harness import Choices, fuzz

FILE = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)) / "a.json"

SCALARS = [
    None, True, False, 0, 1, 2, 3, -1, 640, 0.5, -0.5, 1e9, 1e30, 2**63, 10**400, float("nan"),
    float("inf"), "", "person", "1.jpg", "../1.jpg", "1", "\ud800", "\x00", [], {}, [[]], [None],
]  # fmt: skip
COUNTS = [[768], [0, 768], [700, 69], [800, -32], [], "a", "`0", "ZZZZZZZZZZ", 5, [0.5], ["1"]]


def value(choices, depth=0):
    """Anything that a JSON file can hold."""
    kind = choices.number(0, 9)
    if kind < 5 or depth > 2:
        return choices.one_of(SCALARS)
    if kind < 7:
        return [value(choices, depth + 1) for _ in range(choices.count(4))]
    if kind < 8:
        return {choices.text(3): value(choices, depth + 1) for _ in range(choices.count(3))}
    return choices.fraction() if kind == 8 else choices.text(6)


def numbers(choices, count):
    """So many coordinates, of which few are odd."""
    odd = choices.number(0, 3) == 0
    values = [choices.number(0, 32) for _ in range(count)]
    if odd and values:
        values[choices.number(0, count - 1)] = choices.one_of(SCALARS)
    return values


def segmentation(choices):
    """Polygons, run lengths, and neither."""
    kind = choices.number(0, 3)
    if kind == 0:
        return value(choices)
    if kind == 1:
        return [numbers(choices, choices.count(9)) for _ in range(choices.count(3))]
    size = choices.one_of([[24, 32], [32, 24], [24], None, [24.0, 32.0], [-1, 2]])
    counts = choices.one_of(COUNTS) if kind == 2 else numbers(choices, choices.count(6))
    return dict(size=size, counts=counts)


def entry(choices, whole, odd):
    """A whole entry, with some fields replaced or left out."""
    changed = dict(whole)
    for _ in range(choices.count(3)):
        field = choices.one_of(sorted(whole))
        action = choices.number(0, 3)
        if action == 0:
            changed.pop(field, None)
        else:
            changed[field] = odd.get(field, value)(choices) if action < 3 else value(choices)
    return changed


def content(choices):
    """Annotation content that is nearly whole."""
    image = dict(id=1, file_name="1.jpg", width=32, height=24)
    person = dict(
        id=1, image_id=1, category_id=1, iscrowd=0, keypoints=[5, 5, 2, 9, 9, 1], num_keypoints=2,
        bbox=[1, 1, 20, 20], area=400.0, segmentation=[[1, 1, 20, 1, 20, 20]],
    )  # fmt: skip
    category = dict(id=1, name="person", keypoints=["left", "right"])
    few = lambda choices: choices.number(0, 3)  # noqa: E731
    odd = dict(
        id=few,
        image_id=few,
        category_id=few,
        keypoints=lambda choices: numbers(choices, 6),
        bbox=lambda choices: numbers(choices, 4),
        segmentation=segmentation,
    )
    whole = dict(
        images=[entry(choices, image, odd) for _ in range(choices.count(3))],
        annotations=[entry(choices, person, odd) for _ in range(choices.count(4))],
        categories=[entry(choices, category, odd) for _ in range(choices.number(1, 2))],
    )
    if choices.number(0, 9) == 0:
        whole[choices.one_of(sorted(whole))] = value(choices)
    return whole


def run(data):
    made = data if data[:1] == b"{" else json.dumps(content(Choices(data))).encode()
    FILE.write_bytes(made)
    try:
        found = check_content(read_annotations(FILE))
    except AnnotationFileError as error:
        assert FILE.name in str(error)
        return
    hopeless = [problem for problem in found.problems if not problem.fixed]
    again = check_content(json.loads(json.dumps(found.fixed))).problems
    assert bool(again) == bool(hopeless), (made, again, hopeless)


if __name__ == "__main__":
    fuzz(run)
