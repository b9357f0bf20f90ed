"""Words and their tags: each word has its own, whatever stands beside its text and however long that is."""

import dataclasses

import numpy as np
import pytest
import torch

from emmental import MaskedBackbone, masks
from emmental.common.errors import InputError
from emmental.inference.load import load_pruned
from emmental.inference.words import words_of
from emmental.models.backbones import load_backbone
from emmental.models.heads import label_word_ids
from emmental.tasks.batches import BATCH
from tests.helpers.tagged import TAG_WORDS, TAGS, names_mask, tagged, write_tagged
from tests.helpers.tiny import random_mask

LONG = [word for words, _ in tagged(40) for word in words]
TEXT = "The film (unbelievable), was good."


@pytest.fixture(scope="module")
def pruned(tiny_bert):
    return load_pruned(names_mask(tiny_bert))


def test_the_first_token_of_a_word_answers(pruned, tiny_bert):
    """By the whole masked LM: the logits of the tags' words at the tokens where words begin."""
    backbone = load_backbone(str(tiny_bert))
    masks.fold(names_mask(tiny_bert), backbone.model)
    inputs = backbone.tokenizer("the film unbelievable was", return_tensors="pt")  # unbelievable is three tokens
    with torch.no_grad():
        logits = backbone.model.eval()(**inputs).logits[0]
    logits = logits[[1, 2, 3, 6]][:, label_word_ids(backbone.tokenizer, list(TAG_WORDS.values()))]
    (found,) = pruned.probabilities([["the", "film", "unbelievable", "was"]])
    np.testing.assert_allclose(found, logits.softmax(-1).numpy(), atol=1e-6)
    assert pruned.tags(["the film unbelievable was"]) == [[TAGS[best] for best in logits.argmax(-1)]]


@pytest.mark.parametrize("count", [1, BATCH + 1])
def test_every_text_is_answered_by_itself(pruned, count):
    texts = [*(words for words, _ in tagged(count, seed=5)), LONG, ["film"]]
    alone = [pruned.probabilities([text])[0] for text in texts]
    for one, other, text in zip(pruned.probabilities(texts), alone, texts, strict=True):
        assert one.shape == (len(text), 5)
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_no_text_is_too_long(pruned):
    """A first window answers as if there were nothing behind it, and what is behind is answered, too."""
    length = 128
    (found,), (start,) = pruned.probabilities([LONG], length), pruned.probabilities([LONG[:200]], length)
    assert len(found) == len(LONG) > 300
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(found[:50], start[:50], atol=1e-5)
    assert not np.allclose(found[-50:], pruned.probabilities([LONG], 512)[0][-50:], atol=1e-6)  # context counts
    assert len({tuple(row) for row in found.round(6).tolist()}) > 100  # nothing is filled up


def test_texts_are_cut_into_words():
    text = "  Mary Smith-Jones's (new) plan: $5 of U.S.A., naïve 映画!"
    assert words_of(text) == "Mary Smith-Jones's ( new ) plan : $ 5 of U.S.A . , naïve 映画 !".split()
    assert words_of(("a b", "c")) == ["a b", "c"]


def test_words_that_nothing_is_read_of(pruned):
    first, second, third = pruned.probabilities([["\u200b", "film"], [], ["\u200b"]])
    assert first[0].tolist() == [1, 0, 0, 0, 0] == third[0].tolist()
    assert len(second) == 0
    assert pruned.tags([["\u200b"], []]) == [["O"], []]
    assert pruned.tags([]) == pruned.entities([]) == []


def test_entities_are_groups_of_words(pruned):
    (entity,) = pruned.group(TEXT, "O B-ART O I-ART O O O O O".split())[:1]
    assert entity == ("ART", "film", 4, 8, 1, 1)
    (entity,) = pruned.group(TEXT, "O B-ART I-ART I-ART O O O O O".split())
    assert entity == ("ART", "film (unbelievable", 4, 22, 1, 3)
    assert TEXT[entity.start : entity.end] == entity.text
    (entity,) = pruned.group(["a b", "c"], ["O", "I-PER"])
    assert entity == ("PER", "c", 4, 5, 1, 1)


def test_tags_that_name_no_entities_make_none(tiny_bert):
    info = names_mask(tiny_bert, {"NN": "yes", "VB": "no"})
    assert load_pruned(info).entities(["the film", ["was"]]) == [[], []]


@pytest.mark.parametrize(
    ("texts", "said"),
    [("a film", "a list of texts, or of lists"), ([3], "texts, number 1 is 3"), ([["a", None]], "number 1 is None")],
)
def test_what_are_no_texts(pruned, texts, said):
    with pytest.raises(InputError, match=said):
        pruned.tags(texts)


def test_lengths_that_cannot_be_read(pruned):
    with pytest.raises(InputError, match="the model reads 3 to 512 tokens"):
        pruned.tags(["a film"], max_length=513)


def test_a_backbone_switches_between_texts_and_words(tiny_bert, pruned):
    backbone = MaskedBackbone(str(tiny_bert))
    backbone.add("names", names_mask(tiny_bert))
    backbone.add("films", random_mask(tiny_bert, seed=1))
    names, films = backbone.activate("names"), backbone.activate("films")
    expected = load_pruned(random_mask(tiny_bert, seed=1)).logits([TEXT])
    for _ in range(2):
        np.testing.assert_allclose(names.probabilities([TEXT])[0], pruned.probabilities([TEXT])[0], atol=1e-6)
        np.testing.assert_allclose(films.logits([TEXT]), expected, atol=1e-5)


@pytest.mark.parametrize("runtime", ["sparse", "auto"])
def test_runtimes_give_the_same(tiny_bert, pruned, runtime, monkeypatch, tmp_path):
    monkeypatch.setenv("SMP_CACHE", str(tmp_path))
    other = load_pruned(names_mask(tiny_bert), runtime=runtime)
    for one, expected in zip(other.probabilities([TEXT, LONG]), pruned.probabilities([TEXT, LONG]), strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-5)


@pytest.fixture(scope="module")
def saved(tiny_bert, tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / "mask.smp"
    masks.save(names_mask(tiny_bert), path)
    return path


@pytest.mark.parametrize("verb", ["pack", "shrink"])
def test_models_of_their_own_give_the_same(emmental, saved, pruned, tmp_path, verb):
    place = tmp_path / ("names.task" if verb == "pack" else "names")
    emmental(verb, saved, place)
    for one, expected in zip(load_pruned(place).probabilities([TEXT]), pruned.probabilities([TEXT]), strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-5)
    write_tagged(tmp_path / "dev.conll", 9)
    shown = emmental("eval", place, "--validation_file", tmp_path / "dev.conll")
    assert (
        shown.splitlines()[1:5]
        == emmental("eval", saved, "--validation_file", tmp_path / "dev.conll").splitlines()[1:5]
    )


def test_predict_shows_words_tags_and_entities(emmental, saved, pruned):
    shown = emmental("predict", saved, TEXT, "a film").removesuffix("\n")
    head, *lines = shown.split("\n")
    assert head == "word\ttag\tprobability\tentity"
    first, second = "\n".join(lines).split("\n\n")
    for text, block in ((TEXT, first), ("a film", second)):
        cells = [line.split("\t") for line in block.split("\n")]
        assert [cell[0] for cell in cells] == words_of(text)
        assert [cell[1] for cell in cells] == pruned.tags([text])[0]
        begun = {entity.first: f"{entity.type} {entity.text}" for entity in pruned.entities([text])[0]}
        assert begun
        assert [cell[3] for cell in cells] == [begun.get(place, "") for place in range(len(cells))]
    words = emmental("predict", saved, "good, film", "--words")
    assert [line.split("\t")[0] for line in words.splitlines()[1:]] == ["good,", "film"]


def test_predict_says_what_does_not_fit(emmental, saved, tiny_bert, tmp_path):
    masks.save(random_mask(tiny_bert), tmp_path / "films.smp")
    assert "--words: sst2 asks nothing of single words" in emmental(
        "predict", tmp_path / "films.smp", "a", "--words", status=2
    )
    (tmp_path / "pairs.tsv").write_text("a\tb\n")
    assert "names is about single texts" in emmental("predict", saved, "--tsv", tmp_path / "pairs.tsv", status=2)
    assert "give texts, not --question" in emmental("predict", saved, "--question", "a", "--context", "b", status=2)


def test_eval_wants_to_know_where_examples_are(emmental, saved):
    assert "there is no validation set: give --validation_file" in emmental("eval", saved, status=2)


def test_the_card_names_the_pipeline(emmental, saved):
    assert "pipeline_tag: token-classification" in emmental("push", saved, "me/names", "--dry_run")


def test_tags_survive_the_mask_s_file(saved, tiny_bert):
    loaded = masks.load(saved)
    assert dataclasses.asdict(loaded.info) == dataclasses.asdict(names_mask(tiny_bert).info)
    assert list(loaded.info.label_words) == list(TAGS)
