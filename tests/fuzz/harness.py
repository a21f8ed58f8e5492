"""Running a fuzz target under atheris."""

import resource
import sys
from pathlib import Path

import atheris

#: What a target may take on top of what it starts with, in MB: libFuzzer's own limit.
ROOM = 2048


def fuzz(target, seeds=(), corpus=None):
    """Run ``target(bytes)`` on what libFuzzer makes up, with its options from the command line.

    ``seeds`` are written to the folder ``corpus`` first, as what it starts from.
    """
    # libFuzzer compares the peak of the process, which on Linux begins at its parent's
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    arguments = [sys.argv[0], f"-rss_limit_mb={peak + ROOM}", *sys.argv[1:]]
    if corpus is not None:
        for index, seed in enumerate(seeds):
            (Path(corpus) / f"seed_{index}").write_bytes(seed)
        arguments.append(str(corpus))
    atheris.Setup(arguments, target)
    atheris.Fuzz()


class Choices:
    """Values picked by the bytes of a case; zeros once they are used up."""

    def __init__(self, data):
        self._provider = atheris.FuzzedDataProvider(data)

    def one_of(self, values):
        return values[self._provider.ConsumeIntInRange(0, len(values) - 1)]

    def count(self, most):
        return self._provider.ConsumeIntInRange(0, most)

    def number(self, least, most):
        return self._provider.ConsumeIntInRange(least, most)

    def fraction(self):
        return self._provider.ConsumeFloat()

    def text(self, most):
        return self._provider.ConsumeUnicode(most)
