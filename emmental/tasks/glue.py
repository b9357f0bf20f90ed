"""Sentence tasks, GLUE's eight and ``reviews``: where their data is, label words, features, metrics."""

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import datasets
import numpy as np
from scipy.stats import ConstantInputWarning, pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from emmental.errors import InputError
from emmental.tasks import reviews
from emmental.tasks.rows import Row, read_rows

HUB_DATASET = "nyu-mll/glue"


@dataclass(frozen=True)
class SentenceTask:
    """What is particular to one task."""

    name: str
    texts: tuple[str, ...]  # the Hub's column names of the one or two texts
    words: dict[str, str]  # label -> label word, in the Hub's order of labels; one entry for regression
    metrics: tuple[str, ...]  # of METRICS; the first chooses the best mask
    folder: str = ""  # GLUE's official folder, and its columns: the texts and the label
    official: tuple[str, ...] = ()
    header: tuple[str, ...] = ()  # the columns of official files that have no header line
    skips_broken_rows: bool = False  # the official file has some: tabs and line breaks inside questions

    @property
    def is_regression(self) -> bool:
        return len(self.words) == 1

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


@dataclass(frozen=True)
class Splits:
    """Examples as Dataset with columns text, text_pair (for pairs) and labels. MNLI has two validation sets."""

    train: datasets.Dataset
    validation: dict[str, datasets.Dataset]  # "" is the one that counts, "mm" MNLI's mismatched


def with_words(task: SentenceTask, label_map: dict) -> SentenceTask:
    """The task with other label words. Keys are the labels' names or numbers; raises InputError for others."""
    by_number = dict(enumerate(task.labels)) | {str(number): label for number, label in enumerate(task.labels)}
    words = {by_number.get(label, label): word for label, word in label_map.items()}
    if words.keys() != task.words.keys() or not all(isinstance(word, str) for word in words.values()):
        raise InputError(f"--label_map {label_map}: {task.name} needs one word for each of {', '.join(task.labels)}")
    return replace(task, words={label: words[label] for label in task.labels})


def load_splits(
    task: SentenceTask, data_dir: str | None = None, train_file: str | None = None, validation_file: str | None = None
) -> Splits:
    """The task's data from an official TSV folder, else from two files, else from the Hub (reviews: from PyPI).

    Raises InputError for missing files, short rows, unknown labels, or files of two kinds.
    """
    if data_dir:
        return _from_folder(task, Path(data_dir))
    if train_file or validation_file:
        return _from_files(task, train_file, validation_file)
    if task.name == "reviews":
        splits = {split: examples(task, rows, (*task.texts, "label")) for split, rows in reviews.read().items()}
        return Splits(splits["train"], {"": splits["validation"]})
    return _from_hub(task)


def _from_folder(task, folder):
    if not folder.is_dir():
        raise InputError(f"--data_dir {folder}: no such folder")
    if not task.folder:
        raise InputError(f"{task.name} has no folder of TSV files: leave --data_dir away")
    if (folder / task.folder).is_dir():
        folder = folder / task.folder
    header = list(task.header) or None
    names = {"": "dev_matched.tsv", "mm": "dev_mismatched.tsv"} if task.name == "mnli" else {"": "dev.tsv"}
    if not (folder / "train.tsv").is_file():
        raise InputError(f"{folder}: no train.tsv in it; --data_dir is the {task.folder} folder of GLUE or its parent")
    read = {
        key: examples(task, read_rows(folder / name, header), task.official)
        for key, name in names.items()
        if key == "" or (folder / name).is_file()
    }
    return Splits(examples(task, read_rows(folder / "train.tsv", header), task.official), read)


def _from_files(task, train_file, validation_file):
    if not (train_file and validation_file):
        raise InputError("--train_file and --validation_file go together")
    if Path(train_file).suffix != Path(validation_file).suffix:
        raise InputError(
            f"{train_file} and {validation_file} are of different kinds: give two csv, json or jsonl files"
        )
    read = [examples(task, read_rows(Path(file)), (*task.texts, "label")) for file in (train_file, validation_file)]
    return Splits(read[0], {"": read[1]})


def _from_hub(task):
    try:
        hub = datasets.load_dataset(HUB_DATASET, task.name)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot load {HUB_DATASET}, {task.name} (without the Hub: --data_dir): {error}") from None
    names = {"": "validation_matched", "mm": "validation_mismatched"} if task.name == "mnli" else {"": "validation"}

    def rows(split):
        return (Row(f"{HUB_DATASET} {split}, row {number}", row) for number, row in enumerate(hub[split], 1))

    columns = (*task.texts, "label")
    return Splits(
        examples(task, rows("train"), columns),
        {key: examples(task, rows(name), columns) for key, name in names.items()},
    )


def examples(task: SentenceTask, rows: Iterable[Row], columns: tuple[str, ...]) -> datasets.Dataset:
    """Rows to the columns text, text_pair and labels; ``columns`` names the texts and, last, the label."""
    *texts, label = columns
    read = [[] for _ in columns]
    for row in rows:
        lacking = [column for column in columns if row.values.get(column) is None]
        if lacking and task.skips_broken_rows:
            continue
        if lacking:
            raise InputError(f"{row.place}: too few columns, {lacking[0]!r} is missing (there must be {list(columns)})")
        for values, column in zip(read, texts, strict=False):
            if not isinstance(row.values[column], str):
                raise InputError(f"{row.place}: {column!r} is {row.values[column]!r}, not a text")
            values.append(row.values[column])
        read[-1].append(_label(task, row, label))
    named = dict(zip(("text", "text_pair")[: len(texts)], read, strict=False))
    return datasets.Dataset.from_dict(named | {"labels": read[-1]})


def _label(task, row, column):
    value = row.values[column]
    if task.is_regression:
        try:
            return float(value)
        except ValueError:
            raise InputError(f"{row.place}: the label {value!r} is not a number") from None
    if value in task.words:
        return task.labels.index(value)
    if str(value) in {str(number) for number in range(len(task.labels))}:
        return int(value)
    raise InputError(f"{row.place}: unknown label {value!r}, {task.name} has {', '.join(task.labels)}")


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


def compute_metrics(task: SentenceTask):
    """The task's metrics as a function of logits [examples, words] and labels, as Trainer wants it."""

    def compute(prediction) -> dict[str, float]:
        logits = prediction.predictions
        answers = logits[:, 0] if task.is_regression else logits.argmax(axis=1)
        return score(task, answers, prediction.label_ids)

    return compute


def majority_baseline(task: SentenceTask, validation: datasets.Dataset) -> float:
    """The chief metric of answering every example with the commonest label (regression: with the same value)."""
    labels = np.asarray(validation["labels"])
    commonest = Counter(labels.tolist()).most_common(1)[0][0]
    return score(task, np.full_like(labels, commonest), labels)[task.metrics[0]]
