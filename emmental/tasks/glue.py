"""Sentence tasks, GLUE's eight and ``reviews``: where their data is, label words, features, metrics."""

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import datasets
import numpy as np
from scipy.stats import ConstantInputWarning, pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.recipes.kinds import Kind
from emmental.recipes.table import kind_of
from emmental.tasks import reviews
from emmental.tasks.rows import Row, read_rows
from emmental.tasks.source import Source

HUB_DATASET = "nyu-mll/glue"


@dataclass(frozen=True)
class SentenceTask:
    """What is particular to one task."""

    name: str
    texts: tuple[str, ...]  # the Hub's column names of the one or two texts
    words: dict[str, str]  # label -> label word, in the Hub's order of labels; one entry for values
    metrics: tuple[str, ...]  # of METRICS; the first chooses the best mask
    folder: str = ""  # GLUE's official folder, and its columns: the texts and the label
    official: tuple[str, ...] = ()
    header: tuple[str, ...] = ()  # the columns of official files that have no header line
    skips_broken_rows: bool = False  # the official file has some: tabs and line breaks inside questions

    @property
    def kind(self) -> Kind:
        return kind_of(self.name)

    @property
    def labels(self) -> list[str]:
        return list(self.words)


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
        SentenceTask("stsb", PAIR, {"score": "yes"}, ("pearson", "spearman"), "STS-B", (*PAIR, "score")),
        SentenceTask("rte", PAIR, ENTAILMENT, ("accuracy",), "RTE", (*PAIR, "label")),
        SentenceTask("reviews", ("sentence",), {"negative": "terrible", "positive": "great"}, ("accuracy",)),
    )
}  # fmt: skip


def with_words(task: SentenceTask, label_map: dict) -> SentenceTask:
    """The task with other label words. Keys are the labels' names or numbers; raises InputError for others."""
    by_number = dict(enumerate(task.labels)) | {str(number): label for number, label in enumerate(task.labels)}
    words = {by_number.get(label, label): word for label, word in label_map.items()}
    if words.keys() != task.words.keys() or not all(isinstance(word, str) for word in words.values()):
        raise InputError(f"--label_map {label_map}: {task.name} needs one word for each of {', '.join(task.labels)}")
    return replace(task, words={label: words[label] for label in task.labels})


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


def tokenized(dataset: datasets.Dataset, tokenizer, max_length: int) -> datasets.Dataset:
    """Examples as token ids, truncated to ``max_length`` and not padded."""
    texts = [column for column in ("text", "text_pair") if column in dataset.column_names]
    return dataset.map(
        lambda batch: tokenizer(*(batch[column] for column in texts), truncation=True, max_length=max_length),
        batched=True,
        remove_columns=texts,
    )


def _correlation(function):
    def correlation(labels, values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConstantInputWarning)
            return float(np.nan_to_num(function(values, labels).statistic))  # constant values correlate with nothing

    return correlation


METRICS = {
    "accuracy": accuracy_score,
    "f1": f1_score,
    "matthews": matthews_corrcoef,
    "pearson": _correlation(pearsonr),
    "spearman": _correlation(spearmanr),
}


def score(task: SentenceTask, predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The task's metrics of predicted classes (or values) [examples] against the labels."""
    return {name: float(METRICS[name](labels, predictions)) for name in task.metrics}


def answers(task: SentenceTask, logits: np.ndarray) -> np.ndarray:
    """Predicted class numbers, or values for regression, [examples] of logits [examples, words]."""
    return logits[:, 0] if task.kind is Kind.VALUE else logits.argmax(axis=1)


def compute_metrics(task: SentenceTask):
    """The task's metrics as a function of logits [examples, words] and labels, as Trainer wants it."""

    def compute(prediction) -> dict[str, float]:
        return score(task, answers(task, prediction.predictions), prediction.label_ids)

    return compute


def majority_baseline(task: SentenceTask, validation: datasets.Dataset) -> float:
    """The chief metric of answering every example with the commonest label (regression: with the same value)."""
    labels = np.asarray(validation["labels"])
    commonest = Counter(labels.tolist()).most_common(1)[0][0]
    return score(task, np.full_like(labels, commonest), labels)[task.metrics[0]]
