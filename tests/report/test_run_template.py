"""The page of a run with what strains it: many labels, long words, long names, a matrix of many columns."""

import numpy as np
import pytest

from emmental.report import page
from emmental.tasks.examined import Confusion, Examined
from emmental.training.run_page import MOST_LABELS, MOST_PAIRS, matrix
from tests.helpers import browser

LONG = "Donaudampfschifffahrt" * 12


def write(path, labels: int):
    """A page of a task with so many labels; each is taken for the next one as often as its number says."""
    names = tuple(f"label_number_{number}_{LONG[:30]}" for number in range(labels))
    counts = np.diag([100] * labels) + np.diag(range(labels - 1), 1)
    confusion = Confusion(names, counts)
    page.write(
        path, "run", title=LONG, lead=LONG, metric="accuracy", value="0.5000", figures={"accuracy": "0.5", "f1": "1"},
        compared=[{"name": "this run", "value": "0.5000", "share": 50}], facts={"output": LONG}, pictures={},
        densities={"head": [f"block.{LONG[:20]}"] * 12, "rows": {0: [{"text": "1.00", "heat": -1}] * 12}, "mean": "1"},
        examined=Examined("All wrong.", ("text", "expected"), [(LONG, names[0])], confusion),
        confusion=matrix(confusion), words=dict.fromkeys(names, "word"), in_words=True, commands=[f"smp {LONG}"],
        python=[LONG], command=LONG, results={"python": "3", "torch": "2", "transformers": "5", "commit": "0" * 40},
    )  # fmt: skip


@pytest.mark.parametrize("labels", [MOST_LABELS, 300])
def test_nothing_overflows(tmp_path, labels):
    write(tmp_path / "report.html", labels)
    for width in browser.WIDTHS:
        with browser.opened(tmp_path / "report.html", width) as shown:
            assert browser.fits(shown)
            assert shown.locator("#matrix").count() == (labels <= MOST_LABELS)


def test_of_many_labels_the_most_confused_pairs_are_shown(tmp_path):
    write(tmp_path / "report.html", 300)
    with browser.opened(tmp_path / "report.html") as shown:
        rows = [row.locator("td").all_inner_texts() for row in shown.locator("#pairs tbody tr").all()]
    assert len(rows) == MOST_PAIRS
    assert [cells[2] for cells in rows[:2]] == ["298", "297"]
    assert rows[0][0].startswith("label_number_298_")
    assert rows[0][1].startswith("label_number_299_")
    assert rows[0][3] == "74.9 %"
