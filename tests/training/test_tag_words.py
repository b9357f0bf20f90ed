"""Label words of tags: what the frozen head says at the words with a tag, and not at others."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from emmental.models.backbones import load_backbone
from emmental.recipes.kinds import Kind
from emmental.tasks import words
from emmental.tasks.sentence_task import SentenceTask
from emmental.training import label_words
from tests.helpers.tagged import TAG_WORDS, TAGS, tagged

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def backbone(tiny_bert):
    return load_backbone(str(tiny_bert))


@pytest.fixture(scope="module")
def problem(backbone):
    texts = tagged(150)
    columns = {"words": [own for own, _ in texts], "tags": [[TAGS.index(tag) for tag in tags] for _, tags in texts]}
    examples = Dataset.from_dict(columns)
    task = SentenceTask("names", ("words",), TAG_WORDS, ("f1",), kind=Kind.TOKENS)
    return words.as_problem(task, examples, examples, backbone.tokenizer, 64, {})


def test_the_head_is_asked_at_the_tokens_that_count(backbone, problem, monkeypatch):
    monkeypatch.setattr(label_words, "SAMPLE", 100)
    rows, tokens, given = label_words.sample_tokens(problem.train, 5)
    assert np.bincount(given).tolist() == [20] * 5  # of each tag as many
    assert 0.3 < (rows < 75).mean() < 0.7  # from all over the data
    ids = [9, 20, 5]
    said = label_words.logits_at(backbone, problem.train.select(rows), tokens, ids, CPU)
    with torch.no_grad():
        for number in (0, 7, 99):
            row = problem.train[int(rows[number])]
            logits = backbone.model.eval()(input_ids=torch.tensor([row["input_ids"]])).logits[0, tokens[number], ids]
            np.testing.assert_allclose(said[number], logits, atol=1e-5)
            assert row["labels"][tokens[number]] == given[number]


def test_words_tell_tags_apart(backbone, problem):
    """Better than others: the sum of the correlations is that of the best choice, so no swap with a word that is left
    or with another tag's helps."""
    found = label_words.label_words(backbone, problem, CPU)
    assert list(found) == list(TAGS)
    assert len({*found.values()}) == 5
    rows, tokens, given = label_words.sample_tokens(problem.train, 5)
    vocabulary = label_words.whole_words(backbone.tokenizer)
    said = label_words.logits_at(backbone, problem.train.select(rows), tokens, list(vocabulary.values()), CPU)
    fits = label_words.agreement(said, np.eye(5)[given])
    places = [list(vocabulary).index(word) for word in found.values()]
    chosen = fits[range(5), places]
    assert (chosen > 0).all()
    assert chosen.sum() > fits.mean(1).sum() + 0.5
    for one in range(5):
        for other in set(range(len(vocabulary))) - {*places}:
            assert fits[one, other] <= chosen[one] + 1e-6
        for tag in range(5):
            assert fits[one, places[tag]] + fits[tag, places[one]] <= chosen[one] + chosen[tag] + 1e-6
