"""What was probably meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names that are most like ``name``; empty if none is.

    Examples:
        >>> nearest("higherhrnet_w32_coc", ["higherhrnet_w32_coco", "swahr_tiny_synthetic"])
        " Did you mean 'higherhrnet_w32_coco'?"
    """
    matches = get_close_matches(name, list(known), n=3)
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""
