"""What a sentence task is, wherever its examples come from: labels and their words, metrics, features, answers."""

from dataclasses import dataclass, replace

import datasets
import numpy as np

from emmental.common.errors import InputError
from emmental.common.text import some
from emmental.recipes.kinds import Kind


@dataclass(frozen=True)
class SentenceTask:
    """What is particular to one task."""

    name: str
    texts: tuple[str, ...]  # the column names of the one or two texts, of GLUE's tasks the Hub's
    words: dict[str, str]  # label -> label word, in the data's order of labels; one entry for values
    metrics: tuple[str, ...]  # of metrics.METRICS; the first chooses the best mask
    folder: str = ""  # GLUE's official folder, and its columns: the texts and the label
    official: tuple[str, ...] = ()
    header: tuple[str, ...] = ()  # the columns of official files that have no header line
    skips_broken_rows: bool = False  # the official file has some: tabs and line breaks inside questions
    kind: Kind = Kind.LABEL
    finds_words: bool = False  # the words are still to be found for the backbone; until then they are the labels' names

    @property
    def labels(self) -> list[str]:
        return list(self.words)


def with_words(task: SentenceTask, label_map: dict) -> SentenceTask:
    """The task with other label words. Keys are the labels' names or numbers; raises InputError for others."""
    by_number = dict(enumerate(task.labels)) | {str(number): label for number, label in enumerate(task.labels)}
    words = {by_number.get(label, label): word for label, word in label_map.items()}
    if words.keys() != task.words.keys() or not all(isinstance(word, str) for word in words.values()):
        raise InputError(f"--label_map {label_map}: {task.name} needs one word for each of {some(task.labels)}")
    return replace(task, words={label: words[label] for label in task.labels}, finds_words=False)


def tokenized(dataset: datasets.Dataset, tokenizer, max_length: int) -> datasets.Dataset:
    """Examples as token ids, truncated to ``max_length`` and not padded."""
    texts = [column for column in ("text", "text_pair") if column in dataset.column_names]
    return dataset.map(
        lambda batch: tokenizer(*(batch[column] for column in texts), truncation=True, max_length=max_length),
        batched=True,
        remove_columns=texts,
    )


def answers(task: SentenceTask, logits: np.ndarray) -> np.ndarray:
    """Of logits [examples, words] the predicted class numbers, or values for regression, [examples]; where several
    labels may fit a one for each that does among zeros, int64 [examples, words]."""
    if task.kind is Kind.SEVERAL:
        return (logits > 0).astype(int)
    return logits[:, 0] if task.kind is Kind.VALUE else logits.argmax(axis=1)
