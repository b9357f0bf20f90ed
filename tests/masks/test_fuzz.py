"""A few thousand mutated mask files; benchmarks/faults/fuzz.py tries a million."""

import pytest

from benchmarks.faults.fuzz import fuzz, seeds


def test_mutated_files_are_read_rightly_or_refused(tmp_path):
    def report(suffix, content, trouble):
        pytest.fail(f"{suffix}: {trouble}: {content[:2000]!r}")

    found = fuzz(8000, 0, tmp_path, report)
    for suffix in seeds():
        rare = suffix == ".task"
        assert found[suffix, "read"] > (5 if rare else 40)
        assert found[suffix, "refused"] > (80 if rare else 1500)
