"""Problems in annotation files, and helpers to test and show values."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

#: Coordinates beyond this are no pixels of any image.
LARGEST = 1e6

_NUMBERS = frozenset({int, float})
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: Such as ``annotation 12`` or ``image 3``.
        what: The field, its value, and what is wrong with it.
        fix: What to do, or what was done in the fixed file.
        fixed: Whether the fixed file is right here.
        stops: Whether training or test would go wrong with it; the others have no effect on them.

    Examples:
        >>> print(Problem("annotation 12", "`area` is -3", "Set from `bbox`"))
        annotation 12: `area` is -3. Set from `bbox`.
    """

    where: str
    what: str
    fix: str
    fixed: bool = True
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}."


class Checked(NamedTuple):
    """An entry of a file, its problems, and the fixed entry; None where it is left out."""

    entry: dict[str, Any]
    problems: list[Problem]
    fixed: dict[str, Any] | None

    @property
    def usable(self) -> bool:
        """Whether training and test go right with the entry as it is."""
        return self.fixed is not None and not any(problem.stops for problem in self.problems)


def shown(value: Any) -> str:
    """A value as messages show it: in a line, and short."""
    return _SHORT.repr(value)


def is_id(value: Any) -> bool:
    """Whether it is a whole number that evaluation can keep in 64 bits.

    Examples:
        >>> is_id(7), is_id(7.5), is_id("7"), is_id(True)
        (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def is_number(value: Any) -> bool:
    """Whether it is a number of pixels: finite, not too large, and no truth value."""
    return type(value) in _NUMBERS and bool(-LARGEST < value < LARGEST)


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether each of one or more is a number of pixels; quick, as files hold millions.

    Examples:
        >>> are_numbers([1, 2.5]), are_numbers([1, None]), are_numbers([1, float("nan")])
        (True, False, False)
    """
    if not _NUMBERS.issuperset(map(type, values)):
        return False
    # min and max pass over a NaN unless it is the first; a sum does not
    return bool(min(values) > -LARGEST and max(values) < LARGEST and sum(values) == sum(values))
