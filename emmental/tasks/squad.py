"""SQuAD as a task, v1.1 and v2.0: where its examples are, what is asked of a model, metrics and answer files.

Examples, windows and answers each have a file of their own beside this one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset

from emmental.common.errors import InputError
from emmental.common.files import write_json
from emmental.recipes.kinds import Kind
from emmental.recipes.table import kind_of
from emmental.tasks.examined import Examined, examine_answers
from emmental.tasks.source import Source
from emmental.tasks.squad_answers import decode_answers, score_answers, score_each
from emmental.tasks.squad_examples import load_examples, read_examples
from emmental.tasks.squad_windows import DECODING_COLUMNS, evaluation_features, training_features

WORDS = {"start": "yes", "end": "no"}
METRICS = ("f1", "exact_match")  # in percent; the first chooses the best mask
LABELS = ("start_positions", "end_positions", "row")  # row: which window it is, for predictions come in any order


@dataclass(frozen=True)
class SpanTask:
    """What tells the two versions apart."""

    name: str
    version_2_with_negative: bool  # some questions have no answer
    hub_dataset: str
    files: dict[str, str]  # split -> name of the official file

    @property
    def kind(self) -> Kind:
        return kind_of(self.name)


TASKS = {
    "squad": SpanTask(
        "squad", False, "rajpurkar/squad", {"train": "train-v1.1.json", "validation": "dev-v1.1.json"}
    ),
    "squad_v2": SpanTask(
        "squad_v2", True, "rajpurkar/squad_v2", {"train": "train-v2.0.json", "validation": "dev-v2.0.json"}
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How windows are cut and answers chosen; see evaluation_features and decode_answers."""

    max_length: int = 384
    stride: int = 128
    n_best: int = 20
    max_answer_tokens: int = 30
    null_score_diff_threshold: float = 0.0


def with_words(label_map: dict) -> dict[str, str]:
    """The label words, start before end. Raises InputError where there is not one word for each."""
    if label_map.keys() != WORDS.keys() or not all(isinstance(word, str) for word in label_map.values()):
        raise InputError(f"--label_map {label_map}: SQuAD needs one word for each of {', '.join(WORDS)}")
    return {label: label_map[label] for label in WORDS}


def load(task: SpanTask, source: Source, split: str, skip_misplaced_answers: bool = False) -> Dataset:
    """The questions of a split, ``train`` or ``validation``. Raises InputError for what is missing or wrong."""
    how = {"version_2_with_negative": task.version_2_with_negative, "skip_misplaced_answers": skip_misplaced_answers}
    if source.data_dir:
        return read_examples(source.folder() / task.files[split], **how)
    file = {"train": source.train_file, "validation": source.validation_file}[split]
    return read_examples(Path(file), **how) if file else load_examples(task.hub_dataset, split, **how)


def train_inputs(examples: Dataset, tokenizer, reading: Reading) -> Dataset:
    """What a model trains on: windows with start_positions and end_positions."""
    return training_features(examples, tokenizer, reading.max_length, reading.stride)


class Questions:
    """Examples and their windows: the model's inputs, and from its logits to answers."""

    def __init__(self, task: SpanTask, examples: Dataset, tokenizer, reading: Reading):
        self.task, self.examples, self.reading = task, examples, reading
        self.windows = evaluation_features(examples, tokenizer, reading.max_length, reading.stride)

    def inputs(self) -> Dataset:
        """What a model is asked: windows with their labels, among them their row."""
        inputs = self.windows.remove_columns(list(DECODING_COLUMNS))
        return inputs.add_column("row", np.arange(len(inputs)))

    def answers(self, start_logits: np.ndarray, end_logits: np.ndarray) -> tuple[dict[str, str], dict[str, list]]:
        """Answers and n best answers by question id, of float logits [windows, length] in the windows' order."""
        return decode_answers(
            self.examples,
            self.windows,
            start_logits,
            end_logits,
            n_best=self.reading.n_best,
            max_answer_tokens=self.reading.max_answer_tokens,
            version_2_with_negative=self.task.version_2_with_negative,
            null_score_diff_threshold=self.reading.null_score_diff_threshold,
        )

    def score(self, answers: dict[str, str]) -> dict[str, float]:
        """exact_match and f1 in percent."""
        return score_answers(self.examples, answers, version_2_with_negative=self.task.version_2_with_negative)

    def compute_metrics(self, prediction) -> dict[str, float]:
        """The scores of a Trainer's prediction over ``inputs``."""
        return self.score(self.answers(*_in_order(prediction))[0])

    def write_answers(self, prediction, folder: Path) -> None:
        """predictions.json (the official form: answer by question id) and nbest_predictions.json."""
        answers, n_best = self.answers(*_in_order(prediction))
        write_json(folder / "predictions.json", answers)
        write_json(folder / "nbest_predictions.json", n_best)

    def examine(self, prediction) -> Examined:
        """What the answers of a Trainer's prediction show a reader."""
        answers, n_best = self.answers(*_in_order(prediction))
        scores = score_each(self.examples, answers, self.task.version_2_with_negative)
        return examine_answers(self.examples, answers, n_best, scores)


def _in_order(prediction) -> tuple[np.ndarray, np.ndarray]:
    start_logits, end_logits = prediction.predictions
    order = np.argsort(prediction.label_ids[LABELS.index("row")])
    return start_logits[order], end_logits[order]
