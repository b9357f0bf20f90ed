"""Test sets without labels, and the files that GLUE's server takes for them: index and prediction, parted by a tab.

Reads test sets and writes predictions; the logits are computed elsewhere.
"""

from collections import Counter
from pathlib import Path

import datasets
import numpy as np

from emmental.common.errors import InputError
from emmental.common.files import replacing
from emmental.recipes.kinds import Kind
from emmental.tasks import glue
from emmental.tasks.rows import Row, read_rows
from emmental.tasks.sentence_task import SentenceTask, answers
from emmental.tasks.source import Source

INDEX = ("index", "id", "idx")  # what the column of indices is called: GLUE's files, QQP's, the Hub


def load_tests(task: SentenceTask, source: Source) -> dict[str, datasets.Dataset]:
    """The task's test sets by the name of their submission file, with the columns index, text and text_pair (pairs).

    From ``source.test_file``, else official test.tsv files, else the Hub. A file without a column of indices counts
    its rows from 0. Raises InputError for missing files and short rows, and where a task has no test set.
    """
    if source.test_file:
        return {next(iter(submissions(task).values())): _unlabelled(read_rows(Path(source.test_file)), task.texts)}
    if not task.folder:
        raise InputError(f"{task.name} has no test set of its own: give one with --test_file")
    tests = {}
    for split, name in submissions(task).items():
        if source.data_dir:
            path = glue.task_folder(task, source) / f"{split}.tsv"
            tests[name] = _unlabelled(read_rows(path), task.official[:-1])
        else:
            tests[name] = _unlabelled(glue.hub_rows(task, split), task.texts)
    return tests


def submissions(task: SentenceTask) -> dict[str, str]:
    """The names of GLUE's submission files by test set; sets are called the same in official files and on the Hub."""
    if task.name == "mnli":
        return {"test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"}
    return {"test": f"{task.folder or task.name}.tsv"}


def write(task: SentenceTask, test: datasets.Dataset, logits: np.ndarray, path: Path) -> str:
    """Write the predictions of logits [examples, words] in the form for GLUE; returns a line on them.

    Predictions are the labels' names (0 and 1 where GLUE has no others); for regression values.
    """
    found = answers(task, logits)
    predictions = [f"{value:.4f}" if task.kind is Kind.VALUE else task.labels[value] for value in found]
    with replacing(path) as temporary:
        lines = [f"{index}\t{prediction}" for index, prediction in zip(test["index"], predictions, strict=True)]
        temporary.write_text("\n".join(["index\tprediction", *lines]) + "\n")
    if task.kind is Kind.VALUE:
        return f"{len(lines):,} values from {found.min():.4f} to {found.max():.4f}"
    counts = Counter(predictions)
    return f"{len(lines):,}: " + ", ".join(f"{counts[label]:,} {label}" for label in task.labels)


def _unlabelled(rows, columns: tuple[str, ...]) -> datasets.Dataset:
    read = {name: [] for name in ("index", "text", "text_pair")[: 1 + len(columns)]}
    for number, row in enumerate(rows):
        values = [_index(row, number), *glue.read_texts(row, columns)]
        for name, value in zip(read, values, strict=True):
            read[name].append(value)
    return datasets.Dataset.from_dict(read)


def _index(row: Row, number: int) -> str:
    return next((str(row.values[column]) for column in INDEX if row.values.get(column) is not None), str(number))
