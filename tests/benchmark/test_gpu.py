"""The benchmarks of a device, with tiny shapes on the CPU: every part runs, and gives the figures that it promises."""

import json
import warnings

import pytest

from benchmarks.gpu import device_tests
from benchmarks.gpu.__main__ import PARTS, main
from benchmarks.gpu.launches import WAIT, Counts
from benchmarks.gpu.steps import ALLOCATIONS
from benchmarks.gpu.timing import over

SPREAD = {"ms", "ms_low", "ms_high"}
# By part: how many rows there are, the contenders, and the ratios that the last row has.
EXPECTED = {
    "steps": (2 * (2 * 4 + 1), {"dense", *ALLOCATIONS}, {"over_dense", "selection_share"}),
    "launches": (4, {"dense", *ALLOCATIONS}, set()),
    "memory": (4, set(), {"smp_over_dense"}),
    "inference": (4, set(), {"times_fp32"}),
    "layers": (4, {"alone", "with layers"}, {"over_alone"}),
}
OF_TEXTS = {"step", "precision", "attention", "shape"}


def run(tmp_path, *parts):
    """The exit status, and the JSON file."""
    output = tmp_path / "gpu.json"
    status = main(["--device", "cpu", "--quick", "--only", ",".join(parts), "--output", str(output)])
    return status, json.loads(output.read_text())


def test_each_part_gives_its_figures(tmp_path):
    status, figures = run(tmp_path, *EXPECTED)
    assert status == 0
    assert {"device", "cpu", "torch", "transformers", "tf32"} <= figures["machine"].keys()
    assert list(figures["parts"]) == list(EXPECTED)
    tables = (tmp_path / "gpu.md").read_text()
    for name, (count, contenders, ratios) in EXPECTED.items():
        found = figures["parts"][name]
        rows = [row for row in found["rows"] if "note" not in row]
        assert len(found["rows"]) == count
        assert {row["step"] for row in rows if "step" in row} == contenders
        assert all(rows[-1][ratio] > 0 for ratio in ratios)
        assert all(row["ms_low"] <= row["ms"] <= row["ms_high"] for row in rows if "ms" in row)
        assert all(isinstance(value, str) == (key in OF_TEXTS) for row in rows for key, value in row.items())
        assert f"## {name} (" in tables
    for row in figures["parts"]["steps"]["rows"]:
        if row.get("step") in ALLOCATIONS:
            assert row.keys() >= SPREAD | {"over_dense_low", "over_dense_high", "selection_ms", "examples_per_s"}


def test_a_part_that_fails_takes_no_other_with_it(tmp_path, monkeypatch):
    monkeypatch.setitem(PARTS, "steps", "nowhere")
    status, figures = run(tmp_path, "steps", "inference")
    assert status == 1
    assert "ModuleNotFoundError" in figures["parts"]["steps"]["failed"]
    assert "ModuleNotFoundError" in (tmp_path / "gpu.md").read_text()
    assert len(figures["parts"]["inference"]["rows"]) == 4


def test_device_tests_are_counted_by_how_they_ended(tmp_path):
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.device\n@pytest.mark.parametrize('number', range(4))\n"
        "def test_marked(number):\n"
        "    if number == 3: pytest.skip('no device')\n"
        "    assert number\n"
        "def test_not_marked():\n    assert False\n"
    )
    found = device_tests.counts(tmp_path)
    assert (found["passed"], found["failed"], found["skipped"]) == (2, 1, 1)
    assert found["failed_tests"] == ["test_some::test_marked[0]"]


def test_waits_are_counted_where_they_happen():
    counts = Counts("cpu")
    with counts.waiting():
        for text in (WAIT, "something else", WAIT):
            warnings.warn(text, stacklevel=1)
    assert counts.row()["host_waits"] == 2
    assert [*counts.row()["waited_at"].values()] == [2]
    assert "benchmark/test_gpu.py:" in next(iter(counts.row()["waited_at"]))


def test_ratios_are_of_medians_and_their_spread_is_of_turns():
    assert over("ratio", [2.0, 40.0, 12.0], [1.0, 4.0, 6.0]) == {"ratio": 3.0, "ratio_low": 2.0, "ratio_high": 6.0}


@pytest.mark.parametrize(("asked", "said"), [("steps,stpes", "no part stpes"), ("", "no part")])
def test_unknown_parts_are_named(capsys, asked, said):
    with pytest.raises(SystemExit) as ended:
        main(["--device", "cpu", "--only", asked])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
