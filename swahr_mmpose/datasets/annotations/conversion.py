"""Converts ids that are text, and keypoints that are lists in a list."""

from __future__ import annotations

from typing import Any

from .problem import Problem, shown

_WORDS = {"images": "image", "annotations": "annotation", "categories": "category"}


def converted(content: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """A copy with ids such as "7" and 7.0 as 7, and keypoints in one list; what was converted."""
    problems, content = [], dict(content)
    for section, word in _WORDS.items():
        content[section] = [dict(entry) for entry in content[section]]
        for entry in content[section]:
            where = f"{word} {shown(entry.get('id'))}"
            for name, value in entry.items():
                entry[name] = better = _converted(name, value)
                if better is not value:
                    what, fix = f"`{name}` is {shown(value)}", f"Set to {shown(better)}"
                    problems.append(Problem(where, what, fix, stops=word != "category"))
    return content, problems


def _converted(name: str, value: Any) -> Any:
    if name in ("id", "image_id", "category_id"):
        is_text = isinstance(value, str) and value.isdecimal() and len(value) < 20
        return int(value) if is_text or (isinstance(value, float) and value.is_integer()) else value
    is_list = name.endswith(("keypoints", "_kpts")) and isinstance(value, list) and value
    if is_list and all(isinstance(own, list) for own in value):
        return [item for own in value for item in own]
    return value
