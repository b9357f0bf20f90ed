"""Test sets of tasks of one's own, and predictions for them as csv: the row's index and the label's name, a value, or
several labels parted by a sign. Computes no logits.
"""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
from datasets import Dataset

from emmental.common.errors import InputError
from emmental.common.files import replacing
from emmental.common.text import some
from emmental.recipes.kinds import Kind
from emmental.tasks import custom, tables
from emmental.tasks.sentence_task import SentenceTask, answers
from emmental.tasks.source import Source

FILE = "predictions.csv"
SEPARATOR = ";"


def load_tests(source: Source) -> dict[str, Dataset]:
    """The one test set by the name of its predictions' file, with the columns text and text_pair (of pairs): that of
    --test_file, else the data set's split ``test`` where that does not validate. Raises InputError where there is
    none, and for what tables refuses."""
    columns = custom.columns(source)
    if source.test_file:
        return {FILE: tables.of_file(Path(source.test_file), columns, labelled=False).rows}
    splits = tables.load_dataset(source.dataset_name, source.dataset_config) if source.dataset_name else {}
    if "test" not in splits or custom.validation_split(source.dataset_name, splits) == "test":
        raise InputError("a task of one's own has no test set but that of --test_file, or its data set's split test")
    return {FILE: tables.of_dataset(splits["test"], f"{source.dataset_name}, test", columns, labelled=False).rows}


def write(task: SentenceTask, test: Dataset, logits: np.ndarray, path: Path) -> str:
    """Write the predictions of logits [examples, words] as csv with the columns index, counted from 0, and prediction;
    returns a line on them."""
    found = answers(task, logits)
    predictions = [f"{value:.6g}" for value in found] if task.kind is Kind.VALUE else names(task.labels, found)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("index", "prediction"), *enumerate(predictions)])
    if task.kind is Kind.VALUE:
        return f"{len(found):,} values from {found.min():.4f} to {found.max():.4f}"
    counts = Counter(np.nonzero(found)[1].tolist() if task.kind is Kind.SEVERAL else found.tolist())
    return f"{len(found):,}: " + some(f"{counts[number]:,} {label}" for number, label in enumerate(task.labels))


def names(labels: list[str], found: np.ndarray) -> list[str]:
    """The predicted labels' names; of several (found: ones and zeros [examples, labels]) parted by a sign."""
    if found.ndim == 1:
        return [labels[number] for number in found]
    return [SEPARATOR.join(label for label, fits in zip(labels, row, strict=True) if fits) for row in found]
