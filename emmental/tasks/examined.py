"""What a model's answers show a reader beyond their metrics: the worst mistakes with their texts, and which labels it
takes for which.
"""

from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from scipy.special import expit, softmax

from emmental.recipes.kinds import Kind

SHOWN = 20  # mistakes
LONGEST = 400  # characters of a text
AROUND = 120  # characters of a context on each side of the expected answer


@dataclass(frozen=True)
class Confusion:
    """How many examples of each label got which. counts: int [expected, answered], in the labels' order."""

    labels: tuple[str, ...]
    counts: np.ndarray

    def pairs(self) -> list[tuple[str, str, int, float]]:
        """Label expected, another that was answered, how often, and the share of the expected one's examples; the
        commonest first."""
        wrong = self.counts * (1 - np.eye(len(self.labels), dtype=int))
        expected, answered = np.unravel_index(np.argsort(-wrong, axis=None, kind="stable"), wrong.shape)
        return [
            (self.labels[e], self.labels[a], int(wrong[e, a]), wrong[e, a] / self.counts[e].sum())
            for e, a in zip(expected, answered, strict=True)
            if wrong[e, a]
        ]


@dataclass(frozen=True)
class Examined:
    """summary: one sentence; mistakes: the worst first, each a cell for every column, of texts as they were given."""

    summary: str
    columns: tuple[str, ...]
    mistakes: list[tuple[str, ...]]
    confusion: Confusion | None = None


def examine_sentences(kind: Kind, labels: list[str], examples: Dataset, prediction) -> Examined:
    """Of a Trainer's prediction of these examples, in their order.

    examples: with the columns text, text_pair (for pairs) and labels. The worst mistakes are wrong labels of which the
    model was surest, texts with the surest wrong yes or no to one of several labels, or values that are farthest off.
    """
    columns = {"text": "text", "text_pair": "second text"}
    texts = [column for column in columns if column in examples.column_names]
    named = tuple(columns[column] for column in texts)
    if kind is Kind.VALUE:
        return _of_values(examples.select_columns(texts), named, prediction.predictions[:, 0], prediction.label_ids)
    if kind is Kind.SEVERAL:
        return _of_several(examples.select_columns(texts), named, labels, prediction.predictions, prediction.label_ids)
    return _of_labels(examples.select_columns(texts), named, labels, prediction.predictions, prediction.label_ids)


def _of_labels(texts: Dataset, named: tuple[str, ...], labels: list[str], logits, expected) -> Examined:
    answered, sure = logits.argmax(axis=1), softmax(logits.astype(float), axis=1).max(axis=1)
    wrong = np.flatnonzero(answered != expected)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:SHOWN]
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (expected, answered), 1)
    return Examined(
        f"{len(wrong):,} of {len(expected):,} validation examples got a wrong label."
        + (f" These are the {len(worst)} in which the model was surest of it." if len(worst) else ""),
        (*named, "expected", "answered", "sure"),
        [
            (*_cut(texts[int(row)]), labels[expected[row]], labels[answered[row]], f"{100 * sure[row]:.1f} %")
            for row in worst
        ],
        Confusion(tuple(labels), counts),
    )


def _of_several(texts: Dataset, named: tuple[str, ...], labels: list[str], logits, expected) -> Examined:
    """Logits and expected ones among zeros: [examples, labels]."""
    answered = logits > 0
    off = abs(expit(logits.astype(float)) - expected).max(axis=1)
    wrong = np.flatnonzero((answered != expected).any(axis=1))
    worst = wrong[np.argsort(-off[wrong], kind="stable")][:SHOWN]

    def names(chosen) -> str:
        return ", ".join(label for label, one in zip(labels, chosen, strict=True) if one) or "none"

    return Examined(
        f"{len(wrong):,} of {len(expected):,} validation examples got a label too many or too few."
        + (f" These are the {len(worst)} in which the model was surest of it." if len(worst) else ""),
        (*named, "expected", "answered", "sure"),
        [
            (*_cut(texts[int(row)]), names(expected[row]), names(answered[row]), f"{100 * off[row]:.1f} %")
            for row in worst
        ],
    )


def _of_values(texts: Dataset, named: tuple[str, ...], answered, expected) -> Examined:
    error = answered - expected
    worst = np.argsort(-abs(error), kind="stable")[:SHOWN]
    return Examined(
        f"{len(expected):,} validation examples, mean absolute error {abs(error).mean():.3f}. These are the "
        f"{len(worst)} whose value is farthest off.",
        (*named, "expected", "answered", "error"),
        [
            (*_cut(texts[int(row)]), f"{expected[row]:.2f}", f"{answered[row]:.2f}", f"{error[row]:+.2f}")
            for row in worst
        ],
    )


def examine_answers(
    examples: Dataset, answers: dict[str, str], n_best: dict[str, list[dict]], scores: np.ndarray
) -> Examined:
    """Of answers to questions. Arguments as of squad_answers: answers and n best answers by question id; scores: exact
    match and F1 of each question. The worst mistakes share the fewest words with what was expected, the surest first.
    """
    ids = examples["id"][:]
    exact, f1 = scores.T
    sure = np.array([_probability(answers[name], n_best[name]) for name in ids])
    wrong = np.flatnonzero(exact == 0)
    worst = wrong[np.lexsort((-sure[wrong], f1[wrong]))][:SHOWN]
    return Examined(
        f"{len(wrong):,} of {len(ids):,} questions were not answered to the word."
        + (f" These {len(worst)} share the fewest words with what was expected." if len(worst) else ""),
        ("question", "expected", "answered", "F1", "sure", "context"),
        [_question(examples[int(row)], answers[ids[row]], f1[row], sure[row]) for row in worst],
    )


def _question(example: dict, answer: str, f1: float, sure: float) -> tuple[str, ...]:
    golds = list(dict.fromkeys(example["answers"]["text"]))
    return (
        *_cut({"question": example["question"].strip()}),
        _cut({"expected": " / ".join(golds)})[0] or "no answer",
        answer or "no answer",
        f"{100 * f1:.0f}",
        f"{100 * sure:.1f} %",
        _excerpt(example["context"], *((example["answers"]["answer_start"][0], golds[0]) if golds else (0, ""))),
    )


def _probability(answer: str, entries: list[dict]) -> float:
    return next((entry["probability"] for entry in entries if entry["text"] == answer), 0.0)


def _excerpt(context: str, start: int, answer: str) -> str:
    begin, end = max(start - AROUND, 0), min(start + len(answer) + AROUND, len(context))
    return "…" * (begin > 0) + context[begin:end] + "…" * (end < len(context))


def _cut(texts: dict[str, str]) -> list[str]:
    return [text if len(text) <= LONGEST else text[:LONGEST] + "…" for text in texts.values()]
