"""How well a sentence task was answered: metrics by name, and what the commonest answer alone would reach."""

import warnings
from collections import Counter

import numpy as np
from datasets import Dataset
from scipy.stats import ConstantInputWarning, pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from emmental.tasks.sentence_task import SentenceTask, answers


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
        return score(task, answers(task, prediction.predictions), prediction.label_ids)

    return compute


def majority_baseline(task: SentenceTask, validation: Dataset) -> float:
    """The chief metric of answering every example with the commonest label (regression: with the same value)."""
    labels = np.asarray(validation["labels"])
    commonest = Counter(labels.tolist()).most_common(1)[0][0]
    return score(task, np.full_like(labels, commonest), labels)[task.metrics[0]]
