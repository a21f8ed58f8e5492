"""The fuzzers are run by themselves: they instrument what they import."""

collect_ignore_glob = ["fuzz_*.py", "harness.py"]
