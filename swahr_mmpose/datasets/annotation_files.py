"""Files of COCO keypoint annotations as they are, before anyone trusts what is in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: The lists that such a file has.
SECTIONS = ("images", "annotations", "categories")


class AnnotationFileError(ValueError):
    """A file that is no COCO annotations at all, or whose annotations can't be used."""


def read_annotations(
    path: str | Path, name: str | None = None, optional: Sequence[str] = ()
) -> dict[str, Any]:
    """The content of a file of annotations.

    Args:
        path: The file.
        name: What messages call it; None: its path.
        optional: Sections that may be missing, and are empty then.

    Raises:
        FileNotFoundError: If there is no such file.
        AnnotationFileError: If it is no JSON, or lacks pictures, annotations or categories.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "test.json")
        ...     _ = path.write_text('{"images": [{"id": 1}], "categories": []}')
        ...     read_annotations(path, optional=["annotations"])
        {'images': [{'id': 1}], 'categories': [], 'annotations': []}
    """
    name = str(path) if name is None else name
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file '{name}'.")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise AnnotationFileError(f"'{name}' is nested too deeply for annotations.") from error
    except ValueError as error:
        raise AnnotationFileError(
            f"'{name}' is no whole JSON file: {error}. Was it copied to its end?"
        ) from error
    if isinstance(content, dict):
        content.update({section: [] for section in optional if section not in content})
    for section in SECTIONS:
        entries = content.get(section) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise AnnotationFileError(
                f"'{name}' has no list of objects `{section}`: it is no file of COCO annotations."
            )
    return dict(content)
