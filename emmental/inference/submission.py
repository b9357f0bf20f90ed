"""A finished run's predictions for its task's test sets, as files for GLUE's server."""

from dataclasses import replace
from pathlib import Path

import datasets

from emmental.common.errors import InputError
from emmental.inference import subjects, trained
from emmental.inference.load import load_pruned
from emmental.inference.sentences import dataset_logits
from emmental.inference.words import best_tags
from emmental.models.backbones import Backbone
from emmental.recipes.kinds import Kind
from emmental.tasks import sentences, words
from emmental.tasks.sentence_task import tokenized
from emmental.tasks.source import Source


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
    task = sentences.of_model(name, mask.info.kind, mask.info.label_words, Source())
    mask = replace(mask, info=replace(mask.info, label_words=task.words))  # logits in the order of the data's labels
    pruned = load_pruned(mask, backbone)
    _write(task, pruned.model, pruned.tokenizer, tests, max_length, folder)


def predict_dense(
    model_folder: Path, name: str, tests: dict[str, datasets.Dataset], max_length: int, folder: Path
) -> None:
    """The same for a model that was fine-tuned densely."""
    model, tokenizer, info = trained.load(model_folder)
    if info.task != name:
        raise InputError(f"{model_folder} holds a model for {info.task}, but --task_name is {name}")
    task = sentences.of_model(name, info.kind, info.label_words, Source())
    _write(task, model, tokenizer, tests, max_length, folder)


def _write(task, model, tokenizer, tests, max_length, folder):
    for name, test in tests.items():
        if task.kind is Kind.TOKENS:
            texts = words.Texts(task, test, tokenizer, max_length)
            print(f"{folder / name}: {texts.write(best_tags(model, tokenizer, texts), folder / name)}")
            continue
        features = tokenized(test, tokenizer, max_length)
        logits = dataset_logits(model, tokenizer, features)
        print(f"{folder / name}: {sentences.write(task, test, logits, folder / name)}")
