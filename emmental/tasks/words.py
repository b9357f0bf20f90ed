"""Tasks that ask for a tag of each word, such as named entities: what is asked of a model, and how its answers count.

Examples, windows and metrics each have a file of their own beside this one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from emmental.common.errors import InputError
from emmental.recipes.kinds import Kind
from emmental.tasks import custom, tables, words_examples, words_metrics
from emmental.tasks.conll import write_conll
from emmental.tasks.source import Source
from emmental.tasks.tables import Columns, Table
from emmental.tasks.words_examples import OUTSIDE, TAGS, WORDS
from emmental.tasks.words_windows import DECODING_COLUMNS, in_texts, windows

LABELS = ("labels", "row")  # row: which window it is, for predictions come in any order


@dataclass(frozen=True)
class WordTask:
    """What is particular to one task."""

    name: str
    words: dict[str, str]  # tag -> label word, in the order of the tags' numbers
    metrics: tuple[str, ...]  # the first chooses the best mask
    kind: Kind = Kind.TOKENS

    @property
    def labels(self) -> list[str]:
        return list(self.words)


@dataclass(frozen=True)
class Tagged:
    """A task and its examples, with the columns WORDS and TAGS."""

    task: WordTask
    train: Dataset
    validation: Dataset


def load(name: str, source: Source) -> Tagged:
    """The task of these files, or of this data set; a tag's word is still the tag. Raises InputError for all that is
    wrong with them."""
    return from_tables(*_tables(source), source.metric, name)


def from_tables(train: Table, validation: Table, metric: str | None, name: str) -> Tagged:
    """The task of two tables: tags are those of the training data. metric: as of --metric. Errors as of load."""
    tags = words_examples.tags_of(train)
    if len(tags) < 2:
        raise InputError(f"the training data have one tag, {tags[0]}: there must be two at least")
    task = WordTask(name, {tag: tag for tag in tags}, words_metrics.chosen(tags, metric))
    return Tagged(task, *(words_examples.examples(table, tags) for table in (train, validation)))


def _tables(source: Source) -> list[Table]:
    columns = Columns(source.text_column, None, source.label_column)
    if not source.dataset_name:
        return [words_examples.of_file(Path(file), columns) for file in (source.train_file, source.validation_file)]
    splits = tables.load_dataset(source.dataset_name, source.dataset_config)
    names = "train", custom.validation_split(source.dataset_name, splits)
    return [words_examples.of_dataset(splits[name], f"{source.dataset_name}, {name}", columns) for name in names]


def train_inputs(examples: Dataset, tokenizer, max_length: int) -> Dataset:
    """What a model trains on: windows with their labels."""
    return windows(examples, tokenizer, max_length).remove_columns(list(DECODING_COLUMNS))


def choose(logits: torch.Tensor, labels) -> torch.Tensor:
    """The best tags' numbers int64 [windows, length] of logits [windows, length, tags]: what Trainer keeps of them."""
    return logits.argmax(-1)


def unread(tags: list[str]) -> int:
    """The number of the tag of a word that the tokenizer reads nothing of: OUTSIDE, else the first."""
    return tags.index(OUTSIDE) if OUTSIDE in tags else 0


class Texts:
    """Examples and their windows: a model's inputs, and from its answers to tags."""

    def __init__(self, task: WordTask, examples: Dataset, tokenizer, max_length: int):
        self.task, self.examples = task, examples
        self.windows = windows(examples, tokenizer, max_length)
        self.truth = [np.array(tags) for tags in examples[TAGS][:]] if TAGS in examples.column_names else []

    def inputs(self) -> Dataset:
        """What a model is asked: windows with their labels, among them their row."""
        inputs = self.windows.remove_columns(list(DECODING_COLUMNS))
        return inputs.add_column("row", np.arange(len(inputs)))

    def tags(self, answers: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Numbers of the tags int64 [words] of each text. answers: int64 [tokens, or more] of each window. Words that
        no window holds are ``unread``."""
        texts = [np.full(len(words), unread(self.task.labels)) for words in self.examples[WORDS][:]]
        in_texts(self.windows, answers, texts)
        return texts

    def score(self, answers: Iterable[np.ndarray]) -> dict[str, float]:
        """The task's metrics of these answers, as of ``tags``."""
        return self._score(self.tags(answers))

    def compute_metrics(self, prediction) -> dict[str, float]:
        """The scores of a Trainer's prediction over ``inputs``, of which ``choose`` was kept."""
        return self.score(prediction.predictions[np.argsort(prediction.label_ids[LABELS.index("row")])])

    def baseline(self) -> float:
        """The chief metric of giving every word the commonest tag."""
        ((commonest, _),) = Counter(np.concatenate(self.truth).tolist()).most_common(1)
        return self._score([np.full_like(tags, commonest) for tags in self.truth])[self.task.metrics[0]]

    def _score(self, found: list[np.ndarray]) -> dict[str, float]:
        return words_metrics.score(self.task.metrics, self.task.labels, self.truth, found)

    def write(self, answers: Iterable[np.ndarray], path: Path) -> str:
        """Write words and found tags as a CoNLL file; returns a line on them."""
        found = [words_metrics.named(self.task.labels, numbers) for numbers in self.tags(answers)]
        write_conll(path, zip(self.examples[WORDS][:], found, strict=True))
        counts = Counter(tag for tags in found for tag in tags)
        shown = ", ".join(f"{counts[tag]:,} {tag}" for tag in self.task.labels if counts[tag])
        return f"{counts.total():,} words of {len(found):,} texts: {shown}"
