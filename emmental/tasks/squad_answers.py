"""From the logits of windows to the text of answers, and the official scores of such texts (exact match, F1).

Finds the best spans over all windows of a question exactly: every span of context tokens up to a length is considered.
"""

import re
import string
import unicodedata
from collections import Counter, defaultdict

import numpy as np
from datasets import Dataset

WINDOWS_AT_ONCE = 1024  # bounds the memory of the search; the result does not depend on it
ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def decode_answers(
    examples: Dataset,
    features: Dataset,
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    *,
    n_best: int = 20,
    max_answer_tokens: int = 30,
    version_2_with_negative: bool = False,
    null_score_diff_threshold: float = 0.0,
) -> tuple[dict[str, str], dict[str, list[dict]]]:
    """The answer of each question by id, and its n best answers, best first.

    features: ``evaluation_features`` of ``examples``, in their order; start_logits, end_logits: float [windows, length]
    in the same order, padded at the end with anything. A span's score is the sum of its two logits; a span seen in
    several windows counts once, with its best score. An entry has text, start_logit, end_logit and probability (softmax
    of the scores in the list). With version_2_with_negative the list also has the empty answer, scored at the first
    token of the window that is least sure of it, and it is the answer where it exceeds the best span's score by more
    than null_score_diff_threshold. The answer is empty, too, where no context token exists.
    """
    owners = np.array(features["example"][:])
    spans = _spans(features, start_logits, end_logits, n_best, max_answer_tokens)
    entries = _entries(examples, owners, spans, n_best)
    nulls = _null_entries(owners, start_logits[:, 0], end_logits[:, 0]) if version_2_with_negative else {}
    answers, n_best_answers = {}, {}
    for row, name in enumerate(examples["id"][:]):
        spans_found, null = entries[row], nulls.get(row)
        answers[name] = spans_found[0]["text"] if spans_found else ""
        if spans_found and null and _score(null) - _score(spans_found[0]) > null_score_diff_threshold:
            answers[name] = ""
        n_best_answers[name] = _with_probabilities([*spans_found, null] if null else spans_found)
    return answers, n_best_answers


def score_answers(examples: Dataset, answers: dict[str, str], *, version_2_with_negative: bool = False) -> dict:
    """``exact_match`` and ``f1`` in percent, by the rules of SQuAD's official scripts for v1.1 and v2.0: the means over
    all questions. Arguments as of ``score_each``."""
    exact, f1 = np.mean(score_each(examples, answers, version_2_with_negative), axis=0) * 100
    return {"exact_match": float(exact), "f1": float(f1)}


def score_each(examples: Dataset, answers: dict[str, str], version_2_with_negative: bool) -> np.ndarray:
    """Exact match and F1 of each question, float [questions, 2] between 0 and 1.

    examples: the questions with their gold answers; answers: one text by question id. Each question counts its best
    match among the gold answers. In v2.0, a question with no gold answer is matched by an answer with no words.
    """
    return np.array(
        [
            _best_match(answers[name], gold["text"], version_2_with_negative)
            for name, gold in zip(examples["id"][:], examples["answers"][:], strict=True)
        ]
    )


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, words parted by single blanks."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(WITHOUT_PUNCTUATION)).split())


def exact_match(answer: str, gold: str) -> float:
    """1.0 where both are the same after ``normalise``, else 0.0."""
    return float(normalise(answer) == normalise(gold))


def f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the words after ``normalise``, 0.0 where they share none."""
    words, gold_words = normalise(answer).split(), normalise(gold).split()
    shared = (Counter(words) & Counter(gold_words)).total()
    return 2 * shared / (len(words) + len(gold_words)) if shared else 0.0


def _best_match(answer: str, golds: list[str], version_2_with_negative: bool) -> tuple[float, float]:
    if version_2_with_negative:
        golds = [gold for gold in golds if normalise(gold)]
        if not golds:
            return exact_match(answer, ""), exact_match(answer, "")
    return max(exact_match(answer, gold) for gold in golds), max(f1(answer, gold) for gold in golds)


# --- the search ---


def _spans(features: Dataset, start_logits: np.ndarray, end_logits: np.ndarray, n_best: int, max_tokens: int) -> tuple:
    """The n best spans of each window, best first over all: window, char start, char end, start logit, end logit."""
    char_starts = _padded(features, "char_starts", start_logits.shape[1])
    char_ends = _padded(features, "char_ends", start_logits.shape[1])
    found = []
    for begin in range(0, len(features), WINDOWS_AT_ONCE):
        block = slice(begin, begin + WINDOWS_AT_ONCE)
        outside = char_starts[block] < 0
        window, first, last = _best_spans(
            np.where(outside, -np.inf, start_logits[block]),
            np.where(outside, -np.inf, end_logits[block]),
            n_best,
            max_tokens,
        )
        found.append((window + begin, first, last))
    window, first, last = (np.concatenate(parts) for parts in zip(*found, strict=True))
    start, end = start_logits[window, first].astype(float), end_logits[window, last].astype(float)
    order = np.argsort(-(start + end), kind="stable")
    columns = window, char_starts[window, first], char_ends[window, last], start, end
    return tuple(column[order] for column in columns)


def _best_spans(starts: np.ndarray, ends: np.ndarray, n_best: int, max_tokens: int) -> tuple:
    """Window, first and last token of the n best spans of each window. starts, ends: [windows, length], -inf outside.

    The n best spans begin at the n tokens whose own best span is best, so only those tokens' spans are compared.
    """
    ends = np.pad(ends, [(0, 0), (0, max_tokens - 1)], constant_values=-np.inf)
    reachable = np.lib.stride_tricks.sliding_window_view(ends, max_tokens, axis=1)  # [windows, length, max_tokens]
    first = _top(starts + reachable.max(axis=2), n_best)
    scores = np.take_along_axis(starts, first, axis=1)[:, :, None] + reachable[np.arange(len(ends))[:, None], first]
    scores = scores.reshape(len(ends), -1)
    best = _top(scores, n_best)
    window, column = np.nonzero(np.isfinite(np.take_along_axis(scores, best, axis=1)))
    begin, length = np.divmod(best[window, column], max_tokens)
    return window, first[window, begin], first[window, begin] + length


def _top(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of the highest values of each row, in no order: [rows, min(count, columns)]."""
    count = min(count, values.shape[1])
    return np.argpartition(values, -count, axis=1)[:, -count:]


def _padded(features: Dataset, name: str, length: int) -> np.ndarray:
    """A column of lists as int32 [rows, length], padded at the end with -1."""
    rows = features.with_format("numpy")[name][:]
    padded = np.full((len(rows), length), -1, dtype=np.int32)
    padded[np.arange(length) < np.array([len(row) for row in rows])[:, None]] = np.concatenate(list(rows))
    return padded


# --- spans to text ---


def _entries(examples: Dataset, owners: np.ndarray, spans: tuple, n_best: int) -> dict[int, list[dict]]:
    """The n best distinct spans of each example, by its row."""
    contexts = examples["context"][:]
    entries, seen = defaultdict(list), set()
    for window, begin, end, start_logit, end_logit in zip(*(column.tolist() for column in spans), strict=True):
        row = int(owners[window])
        text = _text(contexts[row], begin, end)
        if text and (row, begin, end) not in seen and len(entries[row]) < n_best:
            entries[row].append({"text": text, "start_logit": start_logit, "end_logit": end_logit})
            seen.add((row, begin, end))
    return entries


def _text(context: str, begin: int, end: int) -> str:
    while end < len(context) and unicodedata.category(context[end]) == "Mn":  # accents that BERT drops off a letter
        end += 1
    return context[begin:end].strip()


def _null_entries(owners: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> dict[int, dict]:
    """The empty answer of each example, by its row, with the lowest score among its windows."""
    entries = {}
    for window in np.argsort(-(starts + ends), kind="stable"):  # the lowest comes last and stays
        entries[int(owners[window])] = {
            "text": "",
            "start_logit": float(starts[window]),
            "end_logit": float(ends[window]),
        }
    return entries


def _score(entry: dict) -> float:
    return entry["start_logit"] + entry["end_logit"]


def _with_probabilities(entries: list[dict]) -> list[dict]:
    entries = sorted(entries, key=_score, reverse=True)
    odds = np.exp([_score(entry) - _score(entries[0]) for entry in entries])
    return [entry | {"probability": float(odd)} for entry, odd in zip(entries, odds / odds.sum(), strict=True)]
