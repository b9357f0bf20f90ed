"""Decoding and scoring SQuAD answers, by hand-worked cases and beside slow, literal computations."""

import json
import math
import random
import time

import datasets
import numpy as np
import pytest

from emmental.tasks import squad_answers
from emmental.tasks.squad_answers import decode_answers, exact_match, f1, normalise, score_answers
from emmental.tasks.squad_examples import read_examples
from tests.helpers.shared import DATA

XQUAD = DATA / "squad" / "xquad.en.json"


# --- scores ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat,\n a dog", "cat dog"),
        ("an Apple", "apple"),
        ("Theatre in Athens", "theatre in athens"),  # articles only as whole words
        ("U.S.A.", "usa"),  # punctuation leaves no gap
        ("a-the-b", "atheb"),  # and goes before articles do
        ("“Émile” – ÇA", "“émile” – ça"),  # only ASCII punctuation
        ("a\u00a0b\u2003c", "b c"),  # any blank
        ("“the” cat", "“ ” cat"),
        ("The!", ""),
        ("", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("answer", "gold", "exact", "overlap"),
    [
        ("the Cat.", "cat", 1, 1),
        ("black cat", "the cat", 0, 2 / 3),  # precision 1/2, recall 1
        ("cat cat sat", "a cat sat on cat mats", 0, 3 / 4),  # 3 words of 3 and of 5, repeated words count
        ("cat cat", "cat", 0, 2 / 3),  # a word is shared as often as both have it
        ("dog", "cat", 0, 0),
        ("", "cat", 0, 0),
        ("naïve", "naive", 0, 0),
        ("日本", "日本", 1, 1),
        ("", "", 1, 0),  # as in the v1.1 script
    ],
)
def test_one_answer(answer, gold, exact, overlap):
    assert exact_match(answer, gold) == exact
    assert f1(answer, gold) == pytest.approx(overlap)


def gold_answers(*texts):
    rows = [{"id": str(row), "answers": {"text": list(golds)}} for row, golds in enumerate(texts)]
    return datasets.Dataset.from_list(rows)


def test_the_best_gold_answer_counts_for_each_measure_by_itself():
    examples = gold_answers(["two black cats", "dogs"], ["Paris", "Rome"])
    scores = score_answers(examples, {"0": "black cats", "1": "rome"})
    assert scores == {"exact_match": 50.0, "f1": pytest.approx((4 / 5 + 1) / 2 * 100)}


@pytest.mark.parametrize(
    ("golds", "answer", "version_1", "version_2"),
    [
        (["The", "the letter A"], "a", (1, 0), (0, 0)),  # a gold answer without words does not count in v2.0
        (["The"], "", (1, 0), (1, 1)),
        (["Rome"], "", (0, 0), (0, 0)),
    ],
)
def test_answers_without_words(golds, answer, version_1, version_2):
    for version_2_with_negative, (exact, overlap) in ((False, version_1), (True, version_2)):
        scores = score_answers(gold_answers(golds), {"0": answer}, version_2_with_negative=version_2_with_negative)
        assert scores == {"exact_match": 100 * exact, "f1": 100 * overlap}


def test_unanswerable_questions():
    examples = gold_answers([], [], ["Rome"])
    scores = score_answers(examples, {"0": "", "1": "Rome", "2": "in Rome"}, version_2_with_negative=True)
    assert scores == {"exact_match": pytest.approx(100 / 3), "f1": pytest.approx((1 + 0 + 2 / 3) / 3 * 100)}


def literal_words(text):
    """Step by step as the official scripts describe it: lower case, punctuation, articles, blanks."""
    kept = ""
    for character in text.lower():
        if character not in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~":
            kept += character
    words, word = [], ""
    for character in kept + " ":
        if character.isalnum() or character == "_":
            word += character
        else:
            words += [word if word not in ("a", "an", "the") else " ", character]
            word = ""
    return "".join(words).split()


def literal_scores(answer, golds):
    best_exact = best_f1 = 0.0
    for gold in golds:
        said, meant = literal_words(answer), literal_words(gold)
        best_exact = max(best_exact, 1.0 if said == meant else 0.0)
        left, shared = list(meant), 0
        for word in said:
            if word in left:
                left.remove(word)
                shared += 1
        if shared:
            precision, recall = shared / len(said), shared / len(meant)
            best_f1 = max(best_f1, 2 * precision * recall / (precision + recall))
    return best_exact, best_f1


def perturbed(example, rng):
    """The gold answer as it stands, longer, shorter, dressed up, or something else from the context."""
    context, gold, begin = example["context"], example["answers"]["text"][0], example["answers"]["answer_start"][0]
    return rng.choice(
        [
            gold,
            context[max(0, begin - 9) : begin + len(gold) + 7],
            gold[: len(gold) // 2],
            f"The {gold.upper()}!",
            " ".join(rng.sample(gold.split() * 2, len(gold.split()))),
            context[: rng.randrange(60)],
        ]
    )


@pytest.mark.skipif(not XQUAD.is_file(), reason=f"no {XQUAD}; SMP_DATA names the folder of real data")
def test_scores_equal_a_literal_computation_on_real_questions(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    examples, rng = read_examples(XQUAD), random.Random(0)
    answers = {example["id"]: perturbed(example, rng) for example in examples}
    pairs = [literal_scores(answers[example["id"]], example["answers"]["text"]) for example in examples]
    assert len(pairs) == 1190
    for example, (exact, overlap) in zip(examples, pairs, strict=True):
        (gold,) = example["answers"]["text"]
        assert exact_match(answers[example["id"]], gold) == exact
        assert f1(answers[example["id"]], gold) == pytest.approx(overlap)
    expected = {"exact_match": 100 * sum(e for e, _ in pairs) / 1190, "f1": 100 * sum(o for _, o in pairs) / 1190}
    assert 20 < expected["exact_match"] < expected["f1"] < 90
    assert score_answers(examples, answers) == pytest.approx(expected)


# --- decoding ---


def windows_of_letters(rng, examples, length):
    """Examples whose context is distinct letters, a token each, and overlapping windows of different lengths."""
    rows = [
        {"id": f"q{row}", "context": "".join(chr(0x4E00 + place) for place in range(40))} for row in range(examples)
    ]
    windows = []
    for row in range(examples):
        begin = 0
        while begin < 40 - 5:
            before, tokens = rng.integers(2, 6), int(rng.integers(6, length - 7))
            places = list(range(begin, min(begin + tokens, 40)))
            starts = [-1] * before + places + [-1]
            windows.append(
                {"example": row, "char_starts": starts, "char_ends": [p + 1 if p >= 0 else -1 for p in starts]}
            )
            begin += tokens - 3
    logits = [rng.normal(size=(len(windows), length)).astype(np.float32) * 3 for _ in range(2)]
    for window, starts, ends in zip(windows, *logits, strict=True):
        starts[len(window["char_starts"]) :] = ends[len(window["char_starts"]) :] = 99  # padding must not matter
    return datasets.Dataset.from_list(rows), datasets.Dataset.from_list(windows), *logits


def literal_decoding(examples, features, start_logits, end_logits, n_best, max_tokens, null_threshold=None):
    """Every span of every window, one by one."""
    answers, lists = {}, {}
    for row, example in enumerate(examples):
        best, null = {}, None
        for number, window in enumerate(features):
            if window["example"] != row:
                continue
            starts, ends = start_logits[number], end_logits[number]
            if null is None or starts[0] + ends[0] < null:
                null = starts[0] + ends[0]
            for first, begin in enumerate(window["char_starts"]):
                for last in range(first, min(first + max_tokens, len(window["char_ends"]))):
                    if begin >= 0 and window["char_ends"][last] >= 0:
                        span = (begin, window["char_ends"][last])
                        best[span] = max(best.get(span, -math.inf), starts[first] + ends[last])
        found = sorted(((score, example["context"][slice(*span)]) for span, score in best.items()), reverse=True)[
            :n_best
        ]
        answers[example["id"]] = found[0][1]
        if null_threshold is not None:
            if null - found[0][0] > null_threshold:
                answers[example["id"]] = ""
            found = sorted([*found, (null, "")], reverse=True)
        total = sum(math.exp(score) for score, _ in found)
        lists[example["id"]] = [(text, math.exp(score) / total) for score, text in found]
    return answers, lists


@pytest.mark.parametrize("null_threshold", [None, 0.0, -4.0])
@pytest.mark.parametrize(("n_best", "max_tokens"), [(20, 30), (1, 4), (3, 1), (500, 60)])
def test_decoding_equals_a_literal_search(monkeypatch, n_best, max_tokens, null_threshold):
    monkeypatch.setattr(squad_answers, "WINDOWS_AT_ONCE", 7)
    data = windows_of_letters(np.random.default_rng(n_best), examples=9, length=24)
    answers, lists = decode_answers(
        *data,
        n_best=n_best,
        max_answer_tokens=max_tokens,
        version_2_with_negative=null_threshold is not None,
        null_score_diff_threshold=null_threshold or 0.0,
    )
    expected_answers, expected_lists = literal_decoding(*data, n_best, max_tokens, null_threshold)
    assert answers == expected_answers
    for name, expected in expected_lists.items():
        assert [entry["text"] for entry in lists[name]] == [text for text, _ in expected]
        assert [entry["probability"] for entry in lists[name]] == pytest.approx([p for _, p in expected], rel=1e-5)


def one_question(context, *windows):
    """An example and windows; a window is its tokens' places in the context, after one token outside of it."""
    rows = [
        {
            "example": 0,
            "char_starts": [-1, *(begin for begin, _ in places)],
            "char_ends": [-1, *(end for _, end in places)],
        }
        for places in windows
    ]
    return datasets.Dataset.from_list([{"id": "q", "context": context}]), datasets.Dataset.from_list(rows)


def test_the_best_span_over_all_windows():
    data = one_question("one two three", [(0, 3), (4, 7)], [(4, 7), (8, 13)])
    starts = np.array([[9, 2, 1], [0, 3, -1]], dtype=np.float32)
    ends = np.array([[9, 1.5, 1], [1, 0, 2]], dtype=np.float32)
    answers, lists = decode_answers(*data, starts, ends)
    assert answers == {"q": "two three"}
    entries = [(entry["text"], entry["start_logit"], entry["end_logit"]) for entry in lists["q"]]
    # "two" stands in both windows and counts once, as the second sees it
    assert entries == [
        ("two three", 3, 2), ("one", 2, 1.5), ("one two", 2, 1), ("two", 3, 0), ("three", -1, 2)
    ]  # fmt: skip
    assert sum(entry["probability"] for entry in lists["q"]) == pytest.approx(1)


def test_no_answer_is_as_sure_as_the_least_sure_window():
    data = one_question("one two", [(0, 3)], [(4, 7)])
    starts, ends = np.array([[5, 1], [2, 0]], dtype=np.float32), np.array([[5, 1], [2, 0]], dtype=np.float32)
    null = {"version_2_with_negative": True}
    assert decode_answers(*data, starts, ends)[0] == {"q": "one"}  # score 2
    assert decode_answers(*data, starts, ends, **null)[0] == {"q": ""}  # 4 of the second window, not 10
    assert decode_answers(*data, starts, ends, **null, null_score_diff_threshold=1.9)[0] == {"q": ""}
    answers, lists = decode_answers(*data, starts, ends, **null, null_score_diff_threshold=2.0)
    assert answers == {"q": "one"}
    assert [entry["text"] for entry in lists["q"]] == ["", "one", "two"]
    assert json.loads(json.dumps(lists)) == lists


def test_a_context_without_tokens_has_an_empty_answer():
    data = one_question("\u200b", [])
    assert decode_answers(*data, np.zeros((1, 4)), np.zeros((1, 4))) == ({"q": ""}, {"q": []})


def test_blank_tokens_are_no_answer_and_lost_accents_come_back():
    data = one_question("a  cafe\u0301s", [(1, 3), (1, 7)])
    answers, lists = decode_answers(*data, np.array([[0, 9, 5.0]]), np.array([[0, 9, 5.0]]))
    assert answers == {"q": "cafe\u0301"}
    assert "" not in [entry["text"] for entry in lists["q"]]


def test_ten_thousand_windows_are_decoded_in_time():
    windows, length = 10_000, 384
    starts = np.tile(np.arange(length, dtype=np.int32) * 5, (windows, 1))
    starts[:, :12] = starts[:, -1] = -1
    columns = {
        "example": np.arange(windows),
        "char_starts": list(starts),
        "char_ends": list(starts + 4 * (starts >= 0)),
    }
    rows = {"id": [str(row) for row in range(windows)], "context": ["word " * length] * windows}
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(windows, length)).astype(np.float32) for _ in range(2)]
    data = datasets.Dataset.from_dict(rows), datasets.Dataset.from_dict(columns)
    began = time.perf_counter()
    answers, _ = decode_answers(*data, *logits)
    assert time.perf_counter() - began < 20
    assert len(answers) == windows
