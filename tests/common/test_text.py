"""Texts for a reader, as they are printed."""

import pytest

from emmental.common.text import aligned, duration, file_size, listing, markdown, readable


def test_columns_are_as_wide_as_their_longest_cell():
    rows = [["task", "f1", "a long head"], ["sst2, all", "0.8", "1"], ["x", "91.25", "22"]]
    assert aligned(rows).splitlines() == [
        "task          f1  a long head",
        "sst2, all    0.8            1",
        "x          91.25           22",
    ]
    assert markdown(rows[:2]) == "| task | f1 | a long head |\n| --- | --- | --- |\n| sst2, all | 0.8 | 1 |"


def test_a_listing_aligns_its_values():
    assert listing("results", {"f1": "0.8", "density": "3 %"}) == "results\n  f1       0.8\n  density  3 %"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.81579, "0.8158"), (-0.25, "-0.2500"), (1, "1.0000"), (-1.0, "-1.0000"), (1.001, "1.00"), (51.234, "51.23")],
)
def test_shares_and_percents(value, shown):
    assert readable(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (460, "7 min 40 s"), (3600, "1 h 0 s"), (90_061, "25 h 1 min 1 s")],
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0.0 kB"), (1_250, "1.2 kB"), (999_900, "999.9 kB"), (1_334_000, "1.33 MB"), (1_850_000_000, "1.85 GB")],
)
def test_sizes_are_decimal(tmp_path, size, shown):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(size)
    assert file_size(tmp_path / "file") == shown
