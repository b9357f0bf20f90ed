"""report.html of a comparison: its table and picture, and links that lead to the runs' own reports."""

import shlex

import pytest

from emmental.common.files import write_json, write_text
from emmental.launch import compare_report
from tests.helpers import browser


@pytest.fixture
def output(tmp_path):
    """Two seeds with reports of their own, and a run of before that has none."""
    runs = (("smp-s+kd_0.1", 1, 0.1, 0.75), ("smp-s+kd_0.1", 2, 0.1, 0.5), ("finetune", 1, 1.0, 0.875))
    for folder, seed, density, accuracy in runs:
        run = {
            "task": "sst2", "model": "m<b>", "density": density, "seed": seed, "eval_accuracy": accuracy,
            "trained_parameters": 10, "majority_eval_accuracy": 0.5, "global_step": 9, "seconds": 75, "torch": "2",
            "transformers": "5", "python": "3", "commit": "", "command": "python x",
        }  # fmt: skip
        place = tmp_path / folder / f"seed_{seed}"
        write_json(place / "all_results.json", run)
        if folder != "finetune":
            write_text(place / "report.html", f"<title>seed {seed}</title>")
    shown = compare_report.write(tmp_path, "sst2", 'compare.sh sst2 "0.1" "<b>" --max_steps 3', log_axis=False)
    assert shown.endswith("comparison.csv, comparison.md, comparison.png, report.html")
    return tmp_path


@pytest.mark.parametrize("width", browser.WIDTHS)
def test_a_browser_shows_a_comparison_whole(output, width):
    with browser.opened(output / "report.html", width) as page:
        browser.check_layout(page)
        assert page.title() == "sst2: pruning methods compared"
        rows = [row.locator("th, td").all_inner_texts() for row in page.locator("#means tbody tr").all()]
        assert [row[:3] for row in rows] == [
            ["SMP-S + KD", "10.0 %", "62.5 ± 17.7"],
            ["fine-tuned", "100.0 %", "87.5"],
            ["majority class", "", "50.0"],
        ]
        assert page.locator(".lead").inner_text() == "Backbone: m<b>"
        repeated = page.locator("#repeat ~ pre").inner_text()
        assert shlex.split(repeated.replace("\\\n", "")) == ["compare.sh", "sst2", "0.1", "<b>", "--max_steps", "3"]


def test_links_lead_to_the_runs(output):
    for number in (1, 2):
        with browser.opened(output / "report.html") as page:
            assert page.locator("a").count() == 2
            page.locator("a").nth(number - 1).click()
            assert page.title() == f"seed {number}"
