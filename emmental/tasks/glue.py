"""GLUE's eight tasks and ``reviews``: their columns, label words and metrics, and where their data is."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import datasets

from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.recipes.kinds import Kind
from emmental.tasks import reviews
from emmental.tasks.rows import Row, read_rows
from emmental.tasks.sentence_task import SentenceTask
from emmental.tasks.source import Source

HUB_DATASET = "nyu-mll/glue"


NLI = {"entailment": "yes", "neutral": "maybe", "contradiction": "no"}
ENTAILMENT = {"entailment": "yes", "not_entailment": "no"}
PARAPHRASE = {"0": "no", "1": "yes"}
PAIR = ("sentence1", "sentence2")
F1 = ("accuracy", "f1")

TASKS = {
    task.name: task
    for task in (
        SentenceTask("mnli", ("premise", "hypothesis"), NLI, ("accuracy",), "MNLI", (*PAIR, "gold_label")),
        SentenceTask(
            "qqp", ("question1", "question2"), PARAPHRASE, F1, "QQP", ("question1", "question2", "is_duplicate"),
            skips_broken_rows=True,
        ),
        SentenceTask(
            "qnli", ("question", "sentence"), ENTAILMENT, ("accuracy",), "QNLI", ("question", "sentence", "label")
        ),
        SentenceTask(
            "sst2", ("sentence",), {"0": "terrible", "1": "great"}, ("accuracy",), "SST-2", ("sentence", "label")
        ),
        SentenceTask("mrpc", PAIR, PARAPHRASE, F1, "MRPC", ("#1 String", "#2 String", "Quality")),
        SentenceTask(
            "cola", ("sentence",), {"0": "incorrect", "1": "correct"}, ("matthews",), "CoLA", ("sentence", "label"),
            header=("source", "label", "mark", "sentence"),
        ),
        SentenceTask(
            "stsb", PAIR, {"score": "yes"}, ("pearson", "spearman"), "STS-B", (*PAIR, "score"), kind=Kind.VALUE
        ),
        SentenceTask("rte", PAIR, ENTAILMENT, ("accuracy",), "RTE", (*PAIR, "label")),
        SentenceTask("reviews", ("sentence",), {"negative": "terrible", "positive": "great"}, ("accuracy",)),
    )
}  # fmt: skip


def load_train(task: SentenceTask, source: Source) -> datasets.Dataset:
    """The training examples, with the columns text, text_pair (for pairs) and labels.

    Raises InputError for missing files, short rows and unknown labels.
    """
    return _load(task, source, "train", source.train_file)


def load_validation(task: SentenceTask, source: Source) -> dict[str, datasets.Dataset]:
    """The validation examples: "" is the set that counts, "mm" MNLI's mismatched where it exists. Errors as above."""
    validation = {"": _load(task, source, "validation", source.validation_file)}
    if task.name == "mnli" and _has_mismatched(task, source):
        validation["mm"] = _load(task, source, "mm", None)
    return validation


def _has_mismatched(task, source):
    if source.data_dir:
        return (task_folder(task, source) / _official_file(task, "mm")).exists()
    return not source.validation_file


def _load(task: SentenceTask, source: Source, split: str, file: str | None) -> datasets.Dataset:
    columns = (*task.texts, "label")
    if source.data_dir:
        path = task_folder(task, source) / _official_file(task, split)
        rows, columns = read_rows(path, list(task.header) or None), task.official
    elif file:
        rows = read_rows(Path(file))
    elif task.name == "reviews":
        rows = reviews.read()[split]
    else:
        hub_split = {"validation": "validation_matched", "mm": "validation_mismatched"} if task.name == "mnli" else {}
        rows = hub_rows(task, hub_split.get(split, split))
    return examples(task, rows, columns)


def task_folder(task: SentenceTask, source: Source) -> Path:
    """The folder of the task's official files. Raises InputError where there is none."""
    folder = source.folder()
    if not task.folder:
        raise InputError(f"{task.name} has no folder of TSV files: leave --data_dir away")
    return folder / task.folder if (folder / task.folder).is_dir() else folder


def _official_file(task, split):
    if task.name == "mnli":
        return {"train": "train.tsv", "validation": "dev_matched.tsv", "mm": "dev_mismatched.tsv"}[split]
    return {"train": "train.tsv", "validation": "dev.tsv"}[split]


def hub_rows(task: SentenceTask, split: str) -> Iterator[Row]:
    """The rows of one of the Hub's splits."""
    try:
        rows = datasets.load_dataset(HUB_DATASET, task.name, split=split)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot load {HUB_DATASET}, {task.name} (without the Hub: --data_dir): {error}") from None
    return (Row(f"{HUB_DATASET}, {task.name}, {split}, row {number}", row) for number, row in enumerate(rows, 1))


def examples(task: SentenceTask, rows: Iterable[Row], columns: tuple[str, ...]) -> datasets.Dataset:
    """Rows to the columns text, text_pair and labels; ``columns`` names the texts and, last, the label."""
    *texts, label = columns
    read = [[] for _ in columns]
    for row in rows:
        if task.skips_broken_rows and any(row.values.get(column) is None for column in columns):
            continue
        check_columns(row, columns)
        for values, value in zip(read, [*read_texts(row, texts), _label(task, row, label)], strict=True):
            values.append(value)
    if not read[-1]:
        raise InputError(f"{task.name}: no row has all of the columns {', '.join(columns)}")
    named = dict(zip(("text", "text_pair")[: len(texts)], read, strict=False))
    return datasets.Dataset.from_dict(named | {"labels": read[-1]})


def check_columns(row: Row, columns: Iterable[str]) -> None:
    """Raise InputError where the row lacks one of these columns."""
    lacking = [column for column in columns if row.values.get(column) is None]
    if lacking:
        raise InputError(f"{row.place}: too few columns, {lacking[0]!r} is missing (there must be {list(columns)})")


def read_texts(row: Row, columns: Iterable[str]) -> list[str]:
    """The row's texts in these columns. Raises InputError where one is missing or no text."""
    check_columns(row, columns)
    for column in columns:
        check_text(row.values[column], f"{row.place}: {column!r}")
    return [row.values[column] for column in columns]


def _label(task, row, column):
    value = row.values[column]
    if task.kind is Kind.VALUE:
        try:
            number = float(value)
        except (ValueError, TypeError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{row.place}: the label {value!r:.50} is not a number")
        return number
    if isinstance(value, str) and value in task.words:
        return task.labels.index(value)
    if isinstance(value, str | int) and str(value) in {str(number) for number in range(len(task.labels))}:
        return int(value)
    raise InputError(f"{row.place}: unknown label {value!r:.50}, {task.name} has {', '.join(task.labels)}")
