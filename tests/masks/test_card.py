"""A mask's card: what the Hub reads in its head, and what a reader finds. Nothing stands in it that is not known."""

import dataclasses
import json
import re

import pytest
from huggingface_hub import ModelCard

from emmental import load_pruned, masks
from emmental.common.errors import InputError
from emmental.masks.card import PIPELINES, Known, card, read_results
from emmental.recipes.kinds import Kind
from tests.helpers.tiny import random_mask

RESULTS = {
    "task": "mnli", "density": 0.25, "eval_loss": 0.9, "eval_mm_accuracy": 0.61, "eval_f1_macro": 0.58,
    "eval_accuracy": 0.625, "last_eval_accuracy": 0.6, "eval_runtime": 1.0, "eval_samples_per_second": 9.0,
    "majority_eval_accuracy": 0.35, "seed": 42,
}  # fmt: skip


@pytest.fixture
def mask(tiny_bert):
    return random_mask(tiny_bert)


def described(mask, known=None, **info):
    """The card's head, as written and read again, of a mask with this info."""
    changed = masks.Mask(mask.bits, dataclasses.replace(mask.info, **info))
    return ModelCard(str(card(changed, known))).data.to_dict()


def test_the_card_of_a_mask_on_a_model_of_the_hub(mask):
    assert described(mask, base_model="bert-base-uncased", base_revision="86b5") == {
        "base_model": "bert-base-uncased",
        "base_model_relation": "adapter",
        "library_name": "smp-pruning",
        "pipeline_tag": "text-classification",
        "tags": ["pruning", "mask", "sst2"],
        "smp": {"task": "sst2", "density": round(mask.density(), 6), "backbone": "bert-base-uncased"},
    }
    assert PIPELINES.keys() == set(Kind)
    assert described(mask, task="squad_v2", kind=Kind.SPAN)["pipeline_tag"] == "question-answering"


def test_a_folder_is_no_base_model_of_the_hub(mask):
    found = described(mask, base_model="/models/bert: mine", base_revision="")
    assert found.keys() == {"library_name", "pipeline_tag", "tags", "smp"}


def test_figures_are_those_of_the_run(mask):
    known = Known("someone/films", license="cc-by-4.0", languages=["en"], datasets=["nyu-mll/glue"], results=RESULTS)
    found = described(mask, known, task="mnli")
    assert (found["license"], found["language"], found["datasets"]) == ("cc-by-4.0", ["en"], ["nyu-mll/glue"])
    assert found["metrics"] == ["accuracy", "f1"]
    (model,) = found["model-index"]
    assert model["name"] == "films"
    (result,) = model["results"]
    assert result["task"] == {"type": "text-classification", "name": "mnli"}
    assert result["dataset"] == {"name": "nyu-mll/glue", "type": "nyu-mll/glue", "split": "validation"}
    assert result["metrics"] == [  # first what chose the mask
        {"type": "accuracy", "value": 0.625, "name": "accuracy"},
        {"type": "accuracy", "value": 0.61, "name": "mm_accuracy"},
        {"type": "f1", "value": 0.58, "name": "f1_macro"},
    ]
    text = str(card(mask, known))
    assert "| accuracy | 0.6250 |" in text
    assert "| majority class, accuracy | 0.3500 |" in text
    assert "## Results" not in str(card(mask))


def test_the_card_says_what_it_is_and_draws_what_it_has(mask):
    text = str(card(mask))
    assert f"# sst2 on {mask.info.base_model}, {100 * mask.density():.2f} % of the encoder's weights" in text
    assert "| 1 | great |" in text
    assert json.loads(text.split("```json")[1].split("```")[0]) == dataclasses.asdict(mask.info)
    assert "density.png" not in text
    assert "![Densities of all matrices](density.png)" in str(card(mask, Known(picture=True)))


WORDS = {
    Kind.LABEL: {"0": "terrible", "1": "great"},
    Kind.VALUE: {"score": "yes"},
    Kind.SEVERAL: {"a|b": "good", "c": "bad"},
    Kind.SPAN: {"start": "yes", "end": "no"},
    Kind.TOKENS: {"O": "a", "B-FILM": "film"},
}


@pytest.mark.parametrize("kind", Kind)
def test_its_three_lines_run(tiny_bert, tmp_path, monkeypatch, capsys, kind):
    mask = random_mask(tiny_bert, "squad" if kind is Kind.SPAN else "sst2", WORDS[kind])
    mask = masks.Mask(mask.bits, dataclasses.replace(mask.info, kind=kind))
    masks.save(mask, tmp_path / "mask.smp")
    (lines,) = re.findall("```python\n(.*?)```", str(card(mask, Known("someone/films"))), re.DOTALL)
    assert lines.count("\n") == 3
    there = {("someone/films", "mask.smp"): tmp_path / "mask.smp"}
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *where: there[where])
    exec(lines)
    assert capsys.readouterr().out
    assert load_pruned(tmp_path / "mask.smp").info == mask.info


def test_results_of_another_mask_are_none_of_its(mask, tmp_path):
    file, beside = tmp_path / "mask.smp", tmp_path / "all_results.json"
    assert read_results(file, mask) == {}
    for content, own in (({"density": mask.density()}, True), ({"density": 0.1}, False), ({"task": "rte"}, False)):
        results = {"task": "sst2", "density": mask.density()} | content
        beside.write_text(json.dumps(results))
        assert read_results(file, mask) == (results if own else {})
    beside.write_text("[")
    with pytest.raises(InputError, match=r"all_results.json: not what a run leaves"):
        read_results(file, mask)
