"""Sentence tasks by name, whether GLUE's or one's own: the task that a mask is for, its examples, its test sets and how
predictions for them are written.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from datasets import Dataset

from emmental.recipes.kinds import Kind
from emmental.tasks import custom, custom_predictions, glue, glue_submission, words
from emmental.tasks.sentence_task import SentenceTask, with_words
from emmental.tasks.source import Source


def load(name: str, source: Source) -> tuple[SentenceTask, Dataset, dict[str, Dataset]]:
    """A task with its training examples and validation sets, see glue.load_train and glue.load_validation. Raises
    InputError for data that are missing or wrong."""
    if name in glue.TASKS:
        task = glue.TASKS[name]
        return task, glue.load_train(task, source), glue.load_validation(task, source)
    if words.asked_for(source):
        task, train, validation = words.load(name, source)
        return task, train, {"": validation}
    made = custom.load(name, source)
    return made.task, made.train, {"": made.validation}


def of_model(name: str, kind: Kind, label_words: dict[str, str], source: Source) -> SentenceTask:
    """The task that a mask or a fine-tuned model is for, with its words; the labels of GLUE's tasks in the order of the
    data, as glue has them. Raises InputError where they are other ones."""
    if name in glue.TASKS:
        return with_words(glue.TASKS[name], label_words)
    if kind is Kind.TOKENS:
        return words.of_model(name, label_words, source)
    return custom.of_model(name, kind, label_words, source)


def load_validation(task: SentenceTask, source: Source) -> dict[str, Dataset]:
    """As of glue.load_validation."""
    if task.name in glue.TASKS:
        return glue.load_validation(task, source)
    if task.kind is Kind.TOKENS:
        return {"": words.load_validation(task, source)}
    return {"": custom.load_validation(task, source)}


def load_tests(name: str, source: Source) -> dict[str, Dataset]:
    """As of glue_submission.load_tests."""
    if name in glue.TASKS:
        return glue_submission.load_tests(glue.TASKS[name], source)
    if words.asked_for(source):
        return {words.PREDICTIONS: words.load_test(source)}
    return custom_predictions.load_tests(source)


def write(task: SentenceTask, test: Dataset, logits: np.ndarray, path: Path) -> str:
    """As of glue_submission.write."""
    form = glue_submission if task.name in glue.TASKS else custom_predictions
    return form.write(task, test, logits, path)


def origin(name: str, source: Source) -> dict[str, dict]:
    """What a run's settings say of where its examples are, for those who score its mask: of GLUE's tasks nothing."""
    return {} if name in glue.TASKS else {"examples": asdict(source)}
