"""Entities count as CoNLL's script counts them; worked out by hand."""

import numpy as np
import pytest

from emmental.common.errors import InputError
from emmental.tasks import words_metrics

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ALL = ("f1", "precision", "recall", "accuracy", "f1_macro")


def numbers(*texts):
    return [np.array([TAGS.index(tag) for tag in text.split()]) for text in texts]


def test_an_entity_counts_where_all_of_it_is_found():
    truth = numbers("B-PER I-PER O B-LOC", "B-LOC O O")
    found = numbers("B-PER O O B-LOC", "B-LOC I-LOC B-PER")  # one of four is right, of three
    assert words_metrics.score(ALL, TAGS, truth, found) == pytest.approx(
        {"f1": 2 / 7, "precision": 1 / 4, "recall": 1 / 3, "accuracy": 4 / 7, "f1_macro": (0 + 1 / 2) / 2}
    )


def test_tags_in_another_order_make_entities_too():
    """I- after O or after another type begins an entity (IOB1), and the end of a text ends one."""
    assert words_metrics.entities("I-PER I-PER I-LOC O B-LOC B-LOC".split()) == [
        ("PER", 0, 1), ("LOC", 2, 2), ("LOC", 4, 4), ("LOC", 5, 5),
    ]  # fmt: skip
    assert words_metrics.entities("S-PER B-LOC E-LOC".split()) == [("PER", 0, 0), ("LOC", 1, 2)]
    assert words_metrics.entities(["B", "I", "O"]) == [("", 0, 1)]
    truth, found = numbers("O I-PER", "I-PER O"), numbers("O B-PER", "B-PER O")
    assert words_metrics.score(("f1",), TAGS, truth, found) == {"f1": 1.0}


def test_nothing_found_is_zero_without_a_warning(recwarn):
    assert words_metrics.score(("f1", "precision"), TAGS, numbers("B-PER O"), numbers("O O")) == {
        "f1": 0.0,
        "precision": 0.0,
    }
    assert not recwarn.list


def test_tags_that_name_no_entities_count_word_by_word():
    truth, found = [np.array([0, 1, 1]), np.array([2])], [np.array([0, 1, 0]), np.array([2])]
    measured = words_metrics.score(("accuracy", "f1_macro"), ["NN", "S", "VB"], truth, found)
    assert measured == pytest.approx({"accuracy": 3 / 4, "f1_macro": (2 / 3 + 2 / 3 + 1) / 3})


@pytest.mark.parametrize(
    ("tags", "metric", "names"),
    [
        (TAGS, None, ("f1", "precision", "recall", "accuracy")),
        (["NN", "VB"], None, ("accuracy", "f1_macro")),
        (["O", "B", "I"], None, ("f1", "precision", "recall", "accuracy")),
        (TAGS, "f1_macro, accuracy", ("f1_macro", "accuracy")),
    ],
)
def test_metrics_that_are_measured(tags, metric, names):
    assert words_metrics.chosen(tags, metric) == names


@pytest.mark.parametrize(
    ("tags", "metric", "said"),
    [
        (["O", "B-PER", "PERSON"], None, "the tag 'PERSON' is none of an entity's"),
        (["NN", "VB"], "recall", "--metric recall is of entities"),
        (TAGS, "f2", "--metric f2: there are f1, precision"),
    ],
)
def test_metrics_that_cannot_be_measured(tags, metric, said):
    with pytest.raises(InputError, match=said):
        words_metrics.chosen(tags, metric)
