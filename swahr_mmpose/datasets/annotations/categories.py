"""Categories of an annotation file: finds that of people, and checks its keypoints' order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problem import Problem, is_id, shown


def people_category(
    categories: list[dict[str, Any]],
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The category of people, and what is wrong with the categories.

    It is the only one with keypoints, or the one called ``person``, or the only one.

    Examples:
        >>> cat, person = dict(id=3, name="cat"), dict(id=7, name="person")
        >>> people_category([cat, person])[0]["id"]
        7
    """
    candidates = [entry for entry in categories if entry.get("keypoints")] or categories
    candidates = [own for own in candidates if own.get("name") == "person"] or candidates
    if len(candidates) != 1:
        names = ", ".join(shown(entry.get("name")) for entry in candidates[:10]) or "none"
        fix = "Name one category 'person', and give it `keypoints`, the list of their names"
        return None, [Problem("categories", f"which is that of people? {names}", fix, False)]
    (people,) = candidates
    own, name = people.get("id"), shown(people.get("name"))
    where = f"category {shown(own)}"
    if not is_id(own):
        what = f"`id` of {name} is {shown(own)}, and not a whole number"
        return None, [Problem(where, what, "Give it one, in its annotations too", False)]
    if sum(entry.get("id") == own for entry in categories) > 1:
        what = f"`id` of {name} is that of others too"
        return None, [Problem(where, what, "Give each category its own", False)]
    problems = [
        Problem(
            f"category {shown(entry.get('name'))}",
            f"`id` is {shown(entry.get('id'))}, and not a whole number",
            "Left out",
            stops=False,
        )
        for entry in categories
        if not is_id(entry.get("id"))
    ]
    if own != 1:
        what = f"`id` of {name} is {own}, and other tools ask for 1"
        fix = "Set to 1, in its annotations too"
        problems.insert(0, Problem(where, what, fix, stops=False))
    return people, problems


def order_problems(people: dict[str, Any], names: Mapping[int, str]) -> list[Problem]:
    """What is wrong with the order in which the category of people names keypoints.

    Files that name other keypoints, or spell them in another way, are taken at their word.

    Args:
        people: The category.
        names: The dataset's keypoints by their index, MMPose's ``keypoint_id2name``.

    Examples:
        >>> people = dict(id=1, name="person", keypoints=["left_eye", "nose"])
        >>> print(*order_problems(people, {0: "nose", 1: "left_eye"}))
        category 1: keypoint 0 of `keypoints` is 'left_eye', and the dataset's is 'nose'. Reorder...
    """
    own, expected = people.get("keypoints"), [names[index] for index in sorted(names)]
    if not isinstance(own, list) or not all(isinstance(name, str) for name in own):
        return []
    if own == expected or sorted(own) != sorted(expected):
        return []
    first = next(k for k, pair in enumerate(zip(own, expected)) if pair[0] != pair[1])
    what = f"keypoint {first} of `keypoints` is {own[first]!r}, and the dataset's is"
    fix = "Reorder them here and in all annotations, or describe the dataset in this order"
    where = f"category {people['id']}"
    return [Problem(where, f"{what} {expected[first]!r}", f"{fix} (`metainfo`)", fixed=False)]


def with_people_first(
    categories: list[dict[str, Any]], people: dict[str, Any]
) -> list[dict[str, Any]]:
    """The categories with 1 for the id of people, less those whose id is no whole number.

    Another category that has 1 gets the next free id.
    """
    whole = [entry for entry in categories if is_id(entry.get("id"))]
    ids = {1: max(entry["id"] for entry in whole) + 1, people["id"]: 1}
    return [dict(entry, id=ids.get(entry["id"], entry["id"])) for entry in whole]
