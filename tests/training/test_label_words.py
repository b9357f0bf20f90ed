"""Label words that a run finds: own names, words chosen by the frozen head, and those that a run began with."""

import itertools
import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForMaskedLM, AutoTokenizer

from emmental.common.errors import InputError
from emmental.models.backbones import load_backbone
from emmental.models.heads import label_word_ids
from emmental.models.vocabulary import whole_words
from emmental.recipes.kinds import Kind
from emmental.scripts.glue import as_problem
from emmental.tasks.sentence_task import SentenceTask
from emmental.training import label_words
from emmental.training.config import SMPConfig

TEXTS = ["good film", "bad plot , dull", "a slow story", "the music was great", "un ##believ able", "no", "is", "actor"]
CPU = torch.device("cpu")


def problem_of(kind, labels, answers, tokenizer):
    rows = Dataset.from_dict(
        {"text": [TEXTS[number % len(TEXTS)] for number in range(len(answers))], "labels": answers}
    )
    metric = {Kind.LABEL: "accuracy", Kind.VALUE: "r2", Kind.SEVERAL: "f1_micro"}[kind]
    task = SentenceTask("mine", ("text",), {label: label for label in labels}, (metric,), kind=kind, finds_words=True)
    return as_problem(task, rows, {"": rows}, tokenizer, 32)


def correlations(folder, words, answers):
    """Of each word's logit at [CLS] with each answer, [labels, words], by transformers alone, text by text."""
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0, 0, list(words.values())] for text in TEXTS]
    said = torch.stack(logits).double().numpy()
    return np.array([[np.corrcoef(said[:, word], one)[0, 1] for word in range(len(words))] for one in answers])


def test_whole_words_are_read_as_one_token(tiny_bert):
    tokenizer = load_backbone(str(tiny_bert)).tokenizer
    words = whole_words(tokenizer)
    assert {"good", "film", "a"} <= words.keys()
    assert not {"[CLS]", "##able", "believ", ",", "."} & words.keys()
    assert label_word_ids(tokenizer, list(words)) == list(words.values())


def test_own_names_that_are_words_stay(tiny_bert):
    backbone = load_backbone(str(tiny_bert))
    labels = ["good", "bad plot", "0", "Film", "film"]  # two are one token to this tokenizer
    problem = problem_of(Kind.LABEL, labels, [0, 1, 2, 3, 4] * 2, backbone.tokenizer)
    found = label_words.label_words(backbone, problem, CPU)
    assert list(found) == labels
    assert found["good"] == "good"
    chosen = {found[label] for label in labels[1:]}
    assert len(chosen) == 4
    assert "good" not in chosen


@pytest.mark.parametrize(
    ("kind", "answers", "columns"),
    [
        (Kind.LABEL, [0, 1, 2, 0, 1, 2, 0, 1], np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]].T),
        (Kind.VALUE, [0.5, 3, 1, 2, 2, 7, 1, 0], [[0.5, 3, 1, 2, 2, 7, 1, 0]]),
        (Kind.SEVERAL, [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]] * 2, [[1, 1, 0, 0], [0, 1, 0, 1]]),
    ],
)  # fmt: skip
def test_words_are_those_that_agree_most(tiny_bert, kind, answers, columns):
    """No other words, no two alike, have a larger sum of correlations."""
    backbone = load_backbone(str(tiny_bert))
    vocabulary = whole_words(backbone.tokenizer)
    columns = np.array(columns)
    columns = np.tile(columns, (1, 8 // columns.shape[1]))
    labels = [f"label {number}" for number in range(len(columns))]
    found = label_words.label_words(backbone, problem_of(kind, labels, answers, backbone.tokenizer), CPU)
    table, words = correlations(tiny_bert, vocabulary, columns), list(vocabulary)
    every = itertools.permutations(range(len(words)), len(labels))
    best = max(sum(table[label, word] for label, word in enumerate(choice)) for choice in every)
    own = sum(table[label, words.index(word)] for label, word in enumerate(found.values()))
    assert own == pytest.approx(best, abs=1e-5)
    again = label_words.label_words(backbone, problem_of(kind, labels, answers, backbone.tokenizer), CPU)
    assert again == found


def test_more_labels_than_words(tiny_bert):
    backbone = load_backbone(str(tiny_bert))
    labels = [f"label {number}" for number in range(len(whole_words(backbone.tokenizer)) + 1)]
    problem = problem_of(Kind.LABEL, labels, [*range(len(labels))] * 2, backbone.tokenizer)
    with pytest.raises(InputError, match=r"labels, and the vocabulary has \d+ words"):
        label_words.label_words(backbone, problem, CPU)


def test_the_sample_is_spread_over_labels_and_data():
    labels = [0] * 9000 + [1] * 5 + [0] * 9000
    rows = label_words.sample(Dataset.from_dict({"labels": labels}), Kind.LABEL, 2)
    assert [row for row in rows if labels[row]] == list(range(9000, 9005))
    assert len(rows) == label_words.SAMPLE // 2 + 5
    assert 0.45 < (rows < 9000).mean() < 0.55
    several = [[1.0, 0.0]] * 5000 + [[0.0, 0.0]] + [[1.0, 1.0]] * 3
    rows = label_words.sample(Dataset.from_dict({"labels": several}), Kind.SEVERAL, 2)
    assert {5001, 5002, 5003} <= {*rows}
    assert 5000 in rows  # it says what no label is


def test_a_resumed_run_keeps_its_words(tiny_bert, tmp_path):
    backbone = load_backbone(str(tiny_bert))
    problem = problem_of(Kind.LABEL, ["x y", "z"], [0, 1] * 4, backbone.tokenizer)
    found = label_words.label_words(backbone, problem, CPU)
    before = dict(zip(found, reversed(found.values()), strict=True))
    (tmp_path / "settings.json").write_text(json.dumps({"label_words": before}))
    config = {"output_dir": str(tmp_path), "use_cpu": True}
    assert label_words.find(SMPConfig(**config), backbone, problem) == before
    assert label_words.find(SMPConfig(**config, overwrite_output_dir=True), backbone, problem) == found
