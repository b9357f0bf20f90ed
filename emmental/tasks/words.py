"""Tasks that ask for a tag of each word, such as named entities: what is asked of a model, and how its answers count.

Examples, windows and metrics each have a file of their own beside this one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import DataCollatorForTokenClassification

from emmental.common.errors import InputError
from emmental.recipes import lengths
from emmental.recipes.kinds import Kind
from emmental.tasks import custom, tables, words_examples, words_metrics
from emmental.tasks.conll import write_conll
from emmental.tasks.problem import Problem
from emmental.tasks.sentence_task import SentenceTask
from emmental.tasks.source import Source
from emmental.tasks.tables import Columns, Table
from emmental.tasks.words_examples import OUTSIDE, TAGS, WORDS
from emmental.tasks.words_windows import DECODING_COLUMNS, in_texts, windows

PREDICTIONS = "predictions.conll"  # words with the tags that were found
LABELS = ("labels", "row")  # row: which window it is, for predictions come in any order


def asked_for(source: Source) -> bool:
    """Whether the examples are to be read as words with tags: so --answer says, or so they look. Raises InputError for
    files and data sets that cannot be had."""
    if source.answer:
        return source.answer == Kind.TOKENS
    if not source.dataset_name:
        file = source.train_file or source.validation_file or source.test_file
        return bool(file) and words_examples.are_in_file(Path(file), source.text_column)
    splits = tables.load_dataset(source.dataset_name, source.dataset_config)
    return any(words_examples.are_in_columns(rows.features, source.text_column) for rows in splits.values())


def load(name: str, source: Source) -> tuple[SentenceTask, Dataset, Dataset]:
    """The task of these files, or of this data set, with the examples that train and those that validate. Tags are
    those of the training data. Raises InputError for all that is wrong with them."""
    train, validation = _table(source, "train"), _table(source, "validation")
    tags = words_examples.tags_of(train)
    if len(tags) < 2:
        raise InputError(f"the training data have one tag, {tags[0]}: there must be two at least")
    task = of_model(name, {tag: tag for tag in tags}, source)
    return replace(task, finds_words=True), *(words_examples.examples(table, tags) for table in (train, validation))


def of_model(name: str, words: dict[str, str], source: Source) -> SentenceTask:
    """The task that a mask or a fine-tuned model of these tags and words is for. Raises InputError for a metric that
    they cannot be measured by."""
    for flag in ("text_pair_column", "label_separator"):
        if getattr(source, flag):
            raise InputError(f"--{flag} is for texts: words with tags have none; leave it out")
    return SentenceTask(name, (WORDS,), words, words_metrics.chosen(list(words), source.metric), kind=Kind.TOKENS)


def load_validation(task: SentenceTask, source: Source) -> Dataset:
    """The validation examples of a task whose tags are known. Raises InputError as load does."""
    return words_examples.examples(_table(source, "validation"), task.labels)


def load_test(source: Source) -> Dataset:
    """The examples of the test set, without tags. Raises InputError where there is none."""
    return words_examples.without_tags(_table(source, "test", labelled=False))


def _table(source: Source, split: str, labelled: bool = True) -> Table:
    columns = Columns(source.text_column, None, source.label_column)
    if file := getattr(source, f"{split}_file"):
        return words_examples.of_file(Path(file), columns, labelled)
    splits = tables.load_dataset(source.dataset_name, source.dataset_config) if source.dataset_name else {}
    validating = custom.validation_split(source.dataset_name, splits) if splits else ""
    name = validating if split == "validation" else split
    if name not in splits or split == "test" == validating:
        raise InputError(f"there is no {split} set: give --{split}_file, or a data set that has one more split for it")
    return words_examples.of_dataset(splits[name], f"{source.dataset_name}, {name}", columns, labelled)


def best(logits: torch.Tensor, labels) -> torch.Tensor:
    """The best tags' numbers int64 [windows, length] of logits [windows, length, tags]: what Trainer keeps of them."""
    return logits.argmax(-1)


def unread(tags: list[str]) -> int:
    """The number of the tag of a word that the tokenizer reads nothing of: OUTSIDE, else the first."""
    return tags.index(OUTSIDE) if OUTSIDE in tags else 0


class Texts:
    """Examples and their windows: a model's inputs, and from its answers to tags."""

    def __init__(self, task: SentenceTask, examples: Dataset, tokenizer, max_length: int):
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
        """The scores of a Trainer's prediction over ``inputs``, of which ``best`` was kept."""
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


def as_problem(
    task: SentenceTask, train: Dataset, validation: Dataset, tokenizer, max_length: int, origin: dict
) -> Problem:
    """The examples as windows for this tokenizer. origin: where they are from, for the run's settings."""
    texts = Texts(task, validation, tokenizer, max_length)
    return Problem(
        task=task.name,
        kind=task.kind,
        label_words=task.words,
        label_names=LABELS,
        unit="windows",
        train=windows(train, tokenizer, max_length).remove_columns(list(DECODING_COLUMNS)),
        validation={"": texts.inputs()},
        compute_metrics=texts.compute_metrics,
        metrics=task.metrics,
        baseline=texts.baseline(),
        reading={"max_length": max_length} | origin,
        lengths=lengths.GLUE,
        finds_words=task.finds_words,
        collator=DataCollatorForTokenClassification,
        choose=best,
    )
