"""What a run is to solve, whatever trains it: a task's examples as features, its labels and its metrics."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, Trainer

from emmental.models.heads import HEADS
from emmental.recipes.kinds import Kind
from emmental.recipes.lengths import Lengths
from emmental.tasks.examined import Examined


@dataclass(frozen=True)
class Problem:
    """A task with its data, tokenised for one backbone."""

    task: str
    kind: Kind
    label_words: dict[str, str]
    label_names: tuple[str, ...]  # columns that compute_metrics gets beside the predictions
    unit: str  # what a row of the data sets is: examples, windows
    train: Dataset
    validation: dict[str, Dataset]  # "" is the one that counts
    compute_metrics: Callable
    metrics: tuple[str, ...]  # the first chooses the best mask
    baseline: float | None  # the first metric of the majority class, where there is one
    reading: dict  # how texts became features, max_length among it; of a task of one's own where they are from, too
    lengths: Lengths
    finds_words: bool = False  # label words are still to be found; see training.label_words
    write_answers: Callable[[object, Path], None] | None = None  # Trainer's prediction, output folder
    examine: Callable[[object], Examined] | None = None  # Trainer's prediction on the validation set that counts
    collator: Callable = DataCollatorWithPadding  # makes batches, for a tokenizer
    choose: Callable | None = None  # of logits and labels: what compute_metrics gets in place of the logits

    @property
    def max_length(self) -> int:
        """Tokens of the longest input."""
        return self.reading["max_length"]

    def for_trainer(self, tokenizer: PreTrainedTokenizerBase) -> dict:
        """The keyword arguments of TaskTrainer that come from the task."""
        return {
            "train_dataset": self.train,
            "eval_dataset": self.validation[""],
            "more_eval_datasets": {name: dataset for name, dataset in self.validation.items() if name},
            "processing_class": tokenizer,
            "data_collator": self.collator(tokenizer),
            "compute_metrics": self.compute_metrics,
            "preprocess_logits_for_metrics": self.choose,
            "distillation": HEADS[self.kind].distillation,
            "uniform": HEADS[self.kind].uniform,
        }

    def with_numbered_rows(self) -> "Problem":
        """The same with a column ``row`` in the training set."""
        return replace(self, train=self.train.add_column("row", np.arange(len(self.train))))

    def majority(self) -> dict[str, float]:
        """The baseline by the name that results give it, or nothing."""
        return {} if self.baseline is None else {f"majority_eval_{self.metrics[0]}": self.baseline}

    def logged_metrics(self) -> list[str]:
        """All metrics of all validation sets as Trainer logs them: eval_accuracy, eval_mm_accuracy."""
        return [f"{prefix(name)}_{metric}" for name in self.validation for metric in self.metrics]

    def measure(self, trainer: Trainer) -> tuple[dict[str, float], Examined | None]:
        """The trained model's metrics on all validation sets, by their logged names; writes its answers, if any.
        Beside them what the answers show a reader, on the process that saves and where the task can tell."""
        measured, examined = {}, None
        for name, dataset in self.validation.items():
            prediction = trainer.predict(dataset, metric_key_prefix=prefix(name))
            measured |= prediction.metrics
            if self.write_answers and trainer.args.should_save:
                self.write_answers(prediction, Path(trainer.args.output_dir))
            if not name and self.examine and trainer.args.should_save:
                examined = self.examine(prediction)
        return measured, examined


def prefix(validation_set: str) -> str:
    """How the metrics of a validation set are named in logs and results, before the metric's name."""
    return f"eval_{validation_set}".rstrip("_")
