"""report.html of runs: what stands in it is true, texts are escaped, and a browser shows it whole."""

import json
import re
import shlex
import sys

import numpy as np
import pytest

from emmental import masks
from emmental.inference.load import load_pruned
from emmental.scripts import squad as masked_run_squad
from tests.helpers import browser
from tests.helpers.tiny import data_flags, write_questions

HOSTILE = '<script>alert("a")</script><img src=x onerror=alert(1)> & {{ 7 * 7 }} </td></table> ünïcode שלום'


def cells(page, selector: str) -> list[list[str]]:
    """The texts of a table's body."""
    return [row.locator("th, td").all_inner_texts() for row in page.locator(f"{selector} tbody tr").all()]


@pytest.mark.parametrize("width", browser.WIDTHS)
def test_a_browser_shows_a_run_whole(finished, width):
    output_dir, _ = finished
    results = json.loads((output_dir / "all_results.json").read_text())
    with browser.opened(output_dir / "report.html", width) as page:
        browser.check_layout(page)
        assert page.title() == f"sst2 with SMP-S (soft), p = 1: {100 * results['density']:.2f} % remain"
        assert page.locator("h1").inner_text() == page.title()
        assert page.locator("#value").inner_text() == f"{results['eval_accuracy']:.4f}"
        assert page.locator("img").count() == 3


def test_the_figures_of_a_run(finished, tiny_bert):
    output_dir, _ = finished
    results = json.loads((output_dir / "all_results.json").read_text())
    mask = masks.load(output_dir / "mask.safetensors")
    with browser.opened(output_dir / "report.html") as page:
        bars = {row[0]: row[2] for row in cells(page, ".bars")}
        assert bars == {"this run": f"{results['eval_accuracy']:.4f}", "majority class": "0.5000"}
        shown = [cell for row in cells(page, "section:has(#densities) table") for cell in row[1:]]
        assert sorted(shown) == sorted(f"{100 * bits.float().mean():.2f}" for bits in mask.bits.values())
        counts = np.array([[int(cell) for cell in row[1:]] for row in cells(page, "#matrix")])
        assert counts.sum(axis=1).tolist() == [6, 6]
        assert counts.trace() / 12 == pytest.approx(results["eval_accuracy"])
        mistakes = cells(page, ".cards")
        assert len(mistakes) == 12 - counts.trace()
        words = page.locator(".words li").all_inner_texts()
        assert words == ["0 terrible", "1 great"]
        lead = page.locator(".lead").inner_text()
        assert f"over the frozen {tiny_bert}: {100 * mask.density():.2f} % of the encoder's weights remain" in lead
        repeated = page.locator("#repeat ~ pre").inner_text()
        assert shlex.split(repeated.replace("\\\n", "")) == shlex.split(results["command"])


def test_mistakes_are_those_of_the_mask(finished):
    """Trainer answers in an order of its own: a text must stand beside its own answer."""
    pruned = load_pruned(finished[0] / "mask.safetensors")
    with browser.opened(finished[0] / "report.html") as page:
        mistakes = cells(page, ".cards")
    assert mistakes
    for text, expected, answered, sure in mistakes:
        assert expected == ("1" if text.endswith("good") else "0")
        (probabilities,) = pruned.probabilities([text])
        assert pruned.labels[probabilities.argmax()] == answered != expected
        assert f"{100 * probabilities.max():.1f} %" == sure
    surest_first = [float(sure.removesuffix(" %")) for *_, sure in mistakes]
    assert surest_first == sorted(surest_first, reverse=True)


def test_how_to_use_it_can_be_pasted(finished, emmental, monkeypatch):
    monkeypatch.chdir(finished[0].parents[1])
    with browser.opened(finished[0] / "report.html") as page:
        code = page.locator("code.python").inner_text()
        command, *others = page.locator("#use ~ pre code.shell").inner_text().splitlines()
    names = {}
    exec(code, names)
    assert names["pruned"].probabilities(["a text"]).shape == (1, 2)
    assert emmental(*shlex.split(command)[1:]).startswith("label\t0\t1\n")
    assert [shlex.split(line)[1] for line in others] == ["eval", "inspect", "convert"]
    assert "sst2" in emmental(*shlex.split(others[1])[1:])


def test_texts_and_labels_stand_there_as_they_are(glue_script, tiny_bert, tmp_path):
    """Whatever a text holds, it is text."""
    rows = "\n".join(f'"{HOSTILE.replace(chr(34), chr(34) * 2)}",{label}' for label in (0, 1))
    (tmp_path / "rows.csv").write_text(f"sentence,label\n{rows}\n", encoding="utf-8")
    data = {"train": tmp_path / "rows.csv", "validation": tmp_path / "rows.csv"}
    glue_script(*flags(tiny_bert, tmp_path / "out", data))
    with browser.opened(tmp_path / "out" / "report.html") as page:
        ((text, *_),) = cells(page, ".cards")
        assert text == HOSTILE
        assert page.locator("script").count() == page.locator(".cards img").count() == 0


def flags(tiny_bert, output_dir, data, *more):
    return (
        "--task_name", "sst2", "--model_name_or_path", tiny_bert, *data_flags(data), "--output_dir", output_dir,
        "--max_steps", 4, "--eval_steps", 2, "--per_device_train_batch_size", 8, "--disable_tqdm", True,
        "--report_to", "none", *more,
    )  # fmt: skip


def test_a_dense_run_and_the_run_that_it_teaches(glue_script, tiny_bert, reviews, tmp_path):
    """With trained norms the page says that the mask is not all; the teacher's own result stands beside."""
    dense, pruned = tmp_path / "dense", tmp_path / "pruned"
    train = ("--pruning_method", "finetune", "--learning_rate", 1e-2, "--max_steps", 60, "--eval_steps", 60)
    glue_script(*flags(tiny_bert, dense, reviews, *train))
    with browser.opened(dense / "report.html", 390) as page:
        browser.check_layout(page)
        assert page.title() == "sst2, fine-tuned densely"
        assert page.locator(".lead").inner_text() == f"All weights of {tiny_bert} were trained; nothing is pruned."
        assert page.locator("#densities").count() == 0
        names = {}
        exec(page.locator("code.python").inner_text(), names)
        assert names["pruned"].labels == ["0", "1"]
    taught = ("--teacher_model_name_or_path", dense, "--norms_learning_rate", 1e-2)
    glue_script(*flags(tiny_bert, pruned, reviews, *taught))
    results = json.loads((dense / "all_results.json").read_text())
    with browser.opened(pruned / "report.html") as page:
        bars = {row[0]: row[2] for row in cells(page, ".bars")}
        assert bars["its dense teacher"] == f"{results['eval_accuracy']:.4f}"
        assert re.search(
            r"remain, the others count as zero, and beside it norms and biases were trained: [\d,]+ numbers",
            page.locator(".lead").inner_text(),
        )


def test_questions(monkeypatch, tiny_bert, tmp_path):
    write_questions(tmp_path / "train-v1.1.json", 20)
    write_questions(tmp_path / "dev-v1.1.json", 12, seed=1)
    words = (
        "masked_run_squad.py --max_seq_length 20 --doc_stride 4 --n_best_size 3 --max_steps 4 --eval_steps 2 "
        f"--per_device_train_batch_size 8 --disable_tqdm True --report_to none --data_dir {tmp_path} "
        f"--model_name_or_path {tiny_bert} --output_dir {tmp_path / 'out'}"
    )
    monkeypatch.setattr(sys, "argv", words.split())
    masked_run_squad.main()
    answers = json.loads((tmp_path / "out" / "predictions.json").read_text())
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    with browser.opened(tmp_path / "out" / "report.html", 390) as page:
        browser.check_layout(page)
    with browser.opened(tmp_path / "out" / "report.html") as page:
        browser.check_layout(page)
        assert page.locator("#value").inner_text() == f"{results['eval_f1']:.2f}"
        mistakes = cells(page, ".cards")
        assert len(mistakes) == round(12 * (1 - results["eval_exact_match"] / 100))
        for question, expected, answered, f1, _, context in mistakes:
            assert question == "good or bad"
            assert expected in context
            assert answered in answers.values()
            assert answered != expected
            assert (f1 == "0") == (not set(expected.split()) & set(answered.split()))
        assert [float(row[3]) for row in mistakes] == sorted(float(row[3]) for row in mistakes)
