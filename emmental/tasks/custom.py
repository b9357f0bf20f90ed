"""Sentence tasks of one's own, made from data: what is asked for, the labels, and the examples with numbered labels."""

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets import Dataset, Features, List, Value, concatenate_datasets

from emmental.common.errors import InputError
from emmental.common.text import some
from emmental.recipes import metrics
from emmental.recipes.kinds import Kind
from emmental.recipes.table import CUSTOM
from emmental.tasks import tables
from emmental.tasks.sentence_task import SentenceTask
from emmental.tasks.source import Source
from emmental.tasks.tables import LABEL, Columns, Table

VALUE = "score"  # what the one answer of a task that asks for a value is called
WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Custom:
    """A task and its examples, with the columns text, text_pair (of pairs) and labels: a number of a class, a value, or
    for several labels a one for each that fits among zeros."""

    task: SentenceTask
    train: Dataset
    validation: Dataset


def load(name: str, source: Source) -> Custom:
    """The task of these files, or of this data set. Raises InputError for all that is wrong with them."""
    train, validation = training_tables(source)
    answer = Kind(source.answer) if source.answer else None
    return from_tables(train, validation, answer, source.label_separator, source.metric, name)


def from_datasets(
    train: Dataset,
    validation: Dataset,
    columns: Columns = Columns(),  # noqa: B008 (it is frozen)
    answer: Kind | None = None,
    separator: str | None = None,
    metric: str | None = None,
    name: str = CUSTOM,
) -> Custom:
    """The task of two data sets, on disk or in memory. Arguments and errors as of from_tables."""
    given = {"the training data": train, "the validation data": validation}
    found = [tables.of_dataset(rows, place, columns) for place, rows in given.items()]
    return from_tables(*found, answer, separator, metric, name)


def from_tables(
    train: Table, validation: Table, answer: Kind | None, separator: str | None, metric: str | None, name: str
) -> Custom:
    """The task of two tables: labels are those of the training data.

    answer: what is asked for; None: what the training data look like. separator: what parts several labels in one
    text. metric: as of --metric. A label of one example is named on standard error. Raises InputError for labels that
    are missing or none of that kind, for those that validate and do not train, and where there is nothing to tell
    apart.
    """
    kind = answer or (Kind.SEVERAL if separator else kind_of_answers(train.labels()))
    measured = metrics.asked(metric, kind)
    counts = count(train, kind, separator)
    labels = [VALUE] if kind is Kind.VALUE else in_order(counts)
    if kind is not Kind.VALUE and len(labels) < 2:
        raise InputError(f"the training data have one label, {some(labels)}: there must be two at least")
    if alone := [label for label in labels if counts[label] == 1]:
        print(f"one example alone of {some(alone)}: too few to learn from", file=sys.stderr)
    if kind is Kind.LABEL and "f1" in measured and len(labels) != 2:
        raise InputError(f"--metric f1 is for two labels, there are {len(labels)}: f1_macro, f1_micro or f1_weighted")
    texts = tuple(column for column in tables.TEXTS if column in train.rows.column_names)
    task = SentenceTask(name, texts, {label: label for label in labels}, measured, kind=kind, finds_words=True)
    count(validation, kind, separator, set(labels))
    return Custom(task, *(examples(task, table, separator) for table in (train, validation)))


def of_model(name: str, kind: Kind, words: dict[str, str], source: Source) -> SentenceTask:
    """The task that a mask or a fine-tuned model of these labels and words is for. Raises InputError for a metric that
    the kind does not have."""
    texts = tables.TEXTS if source.text_pair_column else tables.TEXTS[:1]
    return SentenceTask(name, texts, words, metrics.asked(source.metric, kind), kind=kind)


def load_validation(task: SentenceTask, source: Source) -> Dataset:
    """The validation examples of a task whose labels are known. Raises InputError as load does."""
    if source.validation_file:
        table = tables.of_file(Path(source.validation_file), columns(source))
    elif source.dataset_name:
        splits = tables.load_dataset(source.dataset_name, source.dataset_config)
        split = validation_split(source.dataset_name, splits)
        table = tables.of_dataset(splits[split], f"{source.dataset_name}, {split}", columns(source))
    else:
        raise InputError(f"{task.name} is a task of one's own: give --validation_file, and its columns")
    count(table, task.kind, source.label_separator, set(task.labels))
    return examples(task, table, source.label_separator)


def training_tables(source: Source) -> tuple[Table, Table]:
    """What trains and what validates."""
    if not source.dataset_name:
        return tuple(
            tables.of_file(Path(file), columns(source)) for file in (source.train_file, source.validation_file)
        )
    splits = tables.load_dataset(source.dataset_name, source.dataset_config)
    names = "train", validation_split(source.dataset_name, splits)
    return tuple(tables.of_dataset(splits[name], f"{source.dataset_name}, {name}", columns(source)) for name in names)


def validation_split(name: str, splits) -> str:
    """The split that validates: ``validation``, else ``test``. Raises InputError where a split is missing."""
    found = next((split for split in ("validation", "test") if split in splits), None)
    if not found or "train" not in splits:
        raise InputError(
            f"--dataset_name {name}: splits train and validation (or test) are needed; it has {some(splits)}"
        )
    return found


def columns(source: Source) -> Columns:
    """What the flags say of columns."""
    return Columns(source.text_column, source.text_pair_column, source.label_column)


def kind_of_answers(labels: Iterable) -> Kind:
    """What the labels look like: lists are several labels, numbers of which one has a point are values, all else is a
    label."""
    pointed = False
    for label in labels:
        if isinstance(label, list):
            return Kind.SEVERAL
        number = _number(label)
        if number is None:
            return Kind.LABEL
        pointed = pointed or not WHOLE.fullmatch(str(label).strip())
    return Kind.VALUE if pointed else Kind.LABEL


def _number(label) -> float | None:
    try:
        return None if isinstance(label, bool) else float(label)
    except (ValueError, TypeError, OverflowError):
        return None


def count(table: Table, kind: Kind, separator: str | None, known: set[str] | None = None) -> Counter:
    """How often each label is given; of values nothing is counted. Raises InputError for a cell that is no answer of
    this kind, or a label that is not known, where there are known ones."""
    counts = Counter()
    for row, cell in enumerate(table.labels()):
        try:
            found = read_answer(cell, kind, separator)
            if known is not None and kind is not Kind.VALUE:
                check_known(found, known)
        except ValueError as error:
            raise InputError(f"{table.place(row)}: {error}") from None
        if kind is not Kind.VALUE:
            counts.update(found)
    return counts


def read_answer(cell, kind: Kind, separator: str | None) -> list[str] | float:
    """The labels, or the value, that a cell holds. Raises ValueError where it holds none."""
    if kind is Kind.VALUE:
        number = _number(cell)
        if number is None or not math.isfinite(number):
            raise ValueError(f"the label {cell!r:.50} is not a number")
        return number
    if kind is Kind.SEVERAL and isinstance(cell, str) and separator:
        cell = [part for part in map(str.strip, cell.split(separator)) if part]
    if isinstance(cell, list) is not (kind is Kind.SEVERAL):
        wanted = "a list of labels (or --label_separator)" if kind is Kind.SEVERAL else "one label (--answer several?)"
        raise ValueError(f"the label {cell!r:.50} is not {wanted}")
    labels = cell if isinstance(cell, list) else [cell]
    for label in labels:
        if label is None or isinstance(label, list | dict) or not str(label).strip() or not str(label).isprintable():
            raise ValueError(f"{label!r:.50} is no label: it must be a word or a number")
    return list(dict.fromkeys(map(str, labels)))


def check_known(labels: list[str], known: set[str]) -> None:
    """Raise ValueError for a label that is not among these."""
    for label in labels:
        if label not in known:
            raise ValueError(f"the label {label!r:.50} is not among the training data's: {some(in_order(known))}")


def in_order(labels: Iterable[str]) -> list[str]:
    """Labels sorted; whole numbers by their size."""
    whole = all(WHOLE.fullmatch(label) for label in labels)
    return sorted(labels, key=lambda label: (int(label), label) if whole else label)


def examples(task: SentenceTask, table: Table, separator: str | None) -> Dataset:
    """The table's texts with numbered labels. The texts are not copied."""
    numbers = {label: number for number, label in enumerate(task.labels)}
    kinds = {Kind.LABEL: Value("int64"), Kind.VALUE: Value("float64"), Kind.SEVERAL: List(Value("float32"))}
    labels = table.rows.select_columns(LABEL).map(
        partial(_numbered, kind=task.kind, numbers=numbers, separator=separator, decode=table.decode),
        remove_columns=[LABEL],
        features=Features({"labels": kinds[task.kind]}),
    )
    return concatenate_datasets([table.rows.select_columns(list(task.texts)), labels], axis=1)


def _numbered(row: dict, kind: Kind, numbers: dict[str, int], separator: str | None, decode) -> dict:
    answer = read_answer(decode(row[LABEL]), kind, separator)
    if kind is Kind.VALUE:
        return {"labels": answer}
    if kind is Kind.LABEL:
        return {"labels": numbers[answer[0]]}
    given = [0.0] * len(numbers)
    for label in answer:
        given[numbers[label]] = 1.0
    return {"labels": given}
