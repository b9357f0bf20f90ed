"""How well a sentence task was answered: metrics by name, and what the commonest answer alone would reach."""

import warnings

import numpy as np
from datasets import Dataset
from scipy.stats import ConstantInputWarning, pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)

from emmental.recipes.kinds import Kind
from emmental.tasks.sentence_task import SentenceTask, answers


def _f1(average):
    return lambda labels, predictions: f1_score(labels, predictions, average=average, zero_division=0)


def _correlation(function):
    def correlation(labels, values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConstantInputWarning)
            return float(np.nan_to_num(function(values, labels).statistic))  # constant values correlate with nothing

    return correlation


METRICS = {  # of labels and predictions
    "accuracy": accuracy_score,  # of several labels the share of examples with no wrong one
    "balanced_accuracy": balanced_accuracy_score,
    "f1": f1_score,
    **{f"f1_{average}": _f1(average) for average in ("macro", "micro", "weighted", "samples")},
    "matthews": matthews_corrcoef,
    "r2": r2_score,
    "neg_mean_absolute_error": lambda labels, values: -mean_absolute_error(labels, values),
    "neg_root_mean_squared_error": lambda labels, values: -root_mean_squared_error(labels, values),
    "pearson": _correlation(pearsonr),
    "spearman": _correlation(spearmanr),
}


def score(task: SentenceTask, predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The task's metrics of predictions, as of ``answers``, against the labels."""
    return {name: float(METRICS[name](labels, predictions)) for name in task.metrics}


def compute_metrics(task: SentenceTask):
    """The task's metrics as a function of logits [examples, words] and labels, as Trainer wants it."""

    def compute(prediction) -> dict[str, float]:
        return score(task, answers(task, prediction.predictions), prediction.label_ids)

    return compute


def majority_baseline(task: SentenceTask, validation: Dataset) -> float:
    """The chief metric of answering every example with the commonest label, or labels (regression: with the mean)."""
    labels = np.asarray(validation["labels"][:])
    if task.kind is Kind.VALUE:
        always = np.full_like(labels, labels.mean())
    else:
        kinds, counts = np.unique(labels, axis=0, return_counts=True)
        always = np.broadcast_to(kinds[counts.argmax()], labels.shape)
    return score(task, always, labels)[task.metrics[0]]
