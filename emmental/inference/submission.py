"""A finished run's predictions for its task's test sets, as files for GLUE's server."""

from dataclasses import replace
from pathlib import Path

import datasets

from emmental.common.errors import InputError
from emmental.inference import subjects
from emmental.inference.load import load_pruned
from emmental.inference.sentences import feature_logits
from emmental.models.backbones import Backbone, load_dense, load_tokenizer
from emmental.tasks import glue, glue_submission
from emmental.tasks.sentence_task import tokenized, with_words


def predict_pruned(
    what: str, backbone: Backbone, name: str, tests: dict[str, datasets.Dataset], max_length: int, folder: Path
) -> None:
    """Write the predictions of a mask into ``folder``, a file per test set, and print a line on each.

    what: the mask, as subjects.find takes it. backbone: its own, which is used up. name: the task.
    Raises InputError where the mask is for another one.
    """
    subject = subjects.find(what)
    mask = subjects.read_subject(subject, backbone.name, name)
    if mask.info.task != name:
        raise InputError(f"{subject.path} is a mask for {mask.info.task}, but --task_name is {name}")
    task = with_words(glue.TASKS[name], mask.info.label_words)
    mask = replace(mask, info=replace(mask.info, label_words=task.words))  # logits in the order of the data's labels
    pruned = load_pruned(mask, backbone)
    _write(task, pruned.model, pruned.tokenizer, tests, max_length, folder)


def predict_dense(
    model_folder: Path, name: str, tests: dict[str, datasets.Dataset], max_length: int, folder: Path
) -> None:
    """The same for a model that was fine-tuned densely."""
    task = glue.TASKS[name]
    model = load_dense(task.kind, task.labels, str(model_folder))
    _write(task, model, load_tokenizer(str(model_folder)), tests, max_length, folder)


def _write(task, model, tokenizer, tests, max_length, folder):
    for name, test in tests.items():
        features = tokenized(test, tokenizer, max_length)
        logits = feature_logits(model, tokenizer, features[:])
        print(f"{folder / name}: {glue_submission.write(task, test, logits, folder / name)}")
