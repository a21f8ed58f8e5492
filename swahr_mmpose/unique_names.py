"""Names of files to write, none of them twice."""

from __future__ import annotations

from pathlib import Path


class UniqueNames:
    """Gives each file a name whose stem no other has: with a number where one had it before.

    Examples:
        >>> unique = UniqueNames()
        >>> [unique(name) for name in ("a.jpg", "a.png", "b.jpg", "a.jpg")]
        ['a.jpg', 'a_1.png', 'b.jpg', 'a_2.jpg']
    """

    def __init__(self) -> None:
        self._stems: set[str] = set()

    def __call__(self, name: str) -> str:
        """The name to use in place of this one."""
        path = Path(name)
        stem, number = path.stem, 0
        while stem in self._stems:
            number += 1
            stem = f"{path.stem}_{number}"
        self._stems.add(stem)
        return stem + path.suffix
