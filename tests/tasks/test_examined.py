"""What answers show a reader: worked out by hand."""

from types import SimpleNamespace

import numpy as np
from datasets import Dataset

from emmental.recipes.kinds import Kind
from emmental.tasks.examined import LONGEST, SHOWN, examine_answers, examine_sentences


def prediction(answers, expected):
    return SimpleNamespace(predictions=np.array(answers, np.float32), label_ids=np.array(expected))


def test_wrong_labels_come_by_how_sure_they_are_and_are_counted():
    texts = Dataset.from_dict({"text": ["a", "b", "c", "d"], "labels": [0, 1, 2, 1]})
    logits = [[0, 1, 0], [0, 1, 0], [0, 3, 0], [2, 0, 0]]
    found = examine_sentences(Kind.LABEL, ["x", "y", "z"], texts, prediction(logits, [0, 1, 2, 1]))
    assert found.summary.startswith("3 of 4 validation examples got a wrong label.")
    assert found.columns == ("text", "expected", "answered", "sure")
    assert found.mistakes == [("c", "z", "y", "90.9 %"), ("d", "y", "x", "78.7 %"), ("a", "x", "y", "57.6 %")]
    assert found.confusion.counts.tolist() == [[0, 1, 0], [1, 1, 0], [0, 1, 0]]
    assert found.confusion.pairs() == [("x", "y", 1, 1.0), ("y", "x", 1, 0.5), ("z", "y", 1, 1.0)]


def test_several_labels_by_the_surest_wrong_yes_or_no():
    texts = Dataset.from_dict({"text": ["a", "b", "c"]})
    logits = [[3, -1], [0.5, -2], [-0.5, -4]]
    found = examine_sentences(Kind.SEVERAL, ["x", "y"], texts, prediction(logits, [[1, 0], [1, 1], [1, 0]]))
    assert found.summary.startswith("2 of 3 validation examples got a label too many or too few.")
    assert found.mistakes == [("b", "x, y", "x", "88.1 %"), ("c", "x", "none", "62.2 %")]


def test_values_that_are_farthest_off_come_first_and_long_texts_are_cut():
    texts = Dataset.from_dict({"text": ["a", "b" * 1000], "text_pair": ["c", "d"], "labels": [1.0, 2.0]})
    found = examine_sentences(Kind.VALUE, ["score"], texts, prediction([[1.5], [0.25]], [1.0, 2.0]))
    assert found.columns == ("text", "second text", "expected", "answered", "error")
    assert found.mistakes == [
        ("b" * LONGEST + "…", "d", "2.00", "0.25", "-1.75"),
        ("a", "c", "1.00", "1.50", "+0.50"),
    ]
    assert "mean absolute error 1.125" in found.summary
    assert found.confusion is None


def test_no_mistake_and_many():
    texts = Dataset.from_dict({"text": ["a"] * 50, "labels": [0] * 50})
    right = examine_sentences(Kind.LABEL, ["x", "y"], texts, prediction([[1, 0]] * 50, [0] * 50))
    assert (right.mistakes, right.summary) == ([], "0 of 50 validation examples got a wrong label.")
    wrong = examine_sentences(Kind.LABEL, ["x", "y"], texts, prediction([[0, 1]] * 50, [0] * 50))
    assert len(wrong.mistakes) == SHOWN


def test_questions_by_the_words_they_share_and_with_their_context():
    context = f"{'long ' * 60}Ada Lovelace wrote notes.{' long' * 60}"
    answers = {"text": ["Ada Lovelace", "Ada Lovelace"], "answer_start": [300, 300]}
    none = {"text": [], "answer_start": []}
    questions = Dataset.from_list(
        [
            {"id": name, "question": f" {name}? ", "context": context, "answers": gold}
            for name, gold in (("a", answers), ("b", answers), ("c", none), ("d", answers))
        ]
    )
    given = {"a": "Ada", "b": "notes", "c": "notes", "d": "Ada Lovelace"}
    n_best = {name: [{"text": text, "probability": 0.5}] for name, text in given.items()}
    n_best["c"][0]["probability"] = 0.75
    scores = np.array([[0, 2 / 3], [0, 0], [0, 0], [1, 1]])
    found = examine_answers(questions, given, n_best, scores)
    assert [row[:5] for row in found.mistakes] == [
        ("c?", "no answer", "notes", "0", "75.0 %"),
        ("b?", "Ada Lovelace", "notes", "0", "50.0 %"),
        ("a?", "Ada Lovelace", "Ada", "67", "50.0 %"),
    ]
    excerpt = found.mistakes[1][5]
    assert excerpt.startswith("…")
    assert "Ada Lovelace wrote notes." in excerpt
    assert len(excerpt) == 2 + 120 + len("Ada Lovelace") + 120
