"""List the models by name, with their weights, their AP and its source."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import command_line

from swahr_mmpose.checkpoints.model_zoo import models, packaged_weights, place_in_cache


def place_of_weights(name: str, address: str | None) -> str:
    """Where the weights of a config are."""
    if packaged_weights(name):
        return "in the package"
    if address is None:
        return "–"
    # torch.hub's rule; torch itself takes seconds to load, or may be what does not work
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{caches}/torch")).expanduser()
    file = home / "hub" / "checkpoints" / place_in_cache(address)
    return "downloaded" if file.is_file() else "published"


def ap_of(model: dict[str, Any]) -> tuple[str, str]:
    """The AP in per cent, and on what and by whom it was measured."""
    for result in model.get("Results", ()):
        where = f"{result['Dataset']}, {model['Metadata']['Results From']}"
        return f"{100 * result['Metrics']['AP']:.1f}", where
    return "–", ""


def table() -> list[str]:
    """A line for each model of the metafiles."""
    rows = [("config", "weights", "AP", "measured on, by")]
    for name, model in models().items():
        rows.append((name, place_of_weights(name, model.get("Weights")), *ap_of(model)))
    return [f"{row[0]:<40}{row[1]:<16}{row[2]:<6}{row[3]}".rstrip() for row in rows]


@command_line.exit_code
def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    command_line.parser(__doc__).parse_args(argv)
    print(*table(), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
