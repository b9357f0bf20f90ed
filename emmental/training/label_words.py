"""Label words for labels that were given none: the label's own name where the vocabulary has it, else the word that the
frozen head says of the label's training texts, or words, and not of the others'.

Found once, before anything is trained; the mask's file holds them.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from scipy.optimize import linear_sum_assignment
from transformers import PreTrainedTokenizerBase

from emmental.common.errors import InputError
from emmental.models.backbones import Backbone
from emmental.models.forms import DenseForm, vectors_of
from emmental.models.losses import IGNORED
from emmental.models.vocabulary import whole_words
from emmental.recipes.kinds import Kind
from emmental.tasks.batches import by_length
from emmental.tasks.problem import Problem
from emmental.training import checkpoints, processes
from emmental.training.config import SMPConfig

SAMPLE, LEAST = 2048, 8  # examples that words are chosen on, over all labels; and of each label, where it has so many


def find(config: SMPConfig, backbone: Backbone, problem: Problem) -> dict[str, str]:
    """The label words, the same on all processes; of a run that is resumed those that it began with. The backbone is
    asked on the run's device. Raises InputError where there are more labels than words."""

    def found() -> dict[str, str]:
        begun = {} if processes.overwrite(config) else checkpoints.settings_begun(Path(config.output_dir))
        if begun.get("label_words", {}).keys() == problem.label_words.keys():
            return begun["label_words"]
        with config.autocast():
            return label_words(backbone, problem, config.device)

    return processes.on_first(config.process_index, found)


def label_words(backbone: Backbone, problem: Problem, device: torch.device) -> dict[str, str]:
    """A word for each label, no two alike. Errors as of find."""
    labels, vocabulary = list(problem.label_words), whole_words(backbone.tokenizer)
    nameless = problem.kind in (Kind.VALUE, Kind.TOKENS)  # a tag such as O is no word that stands for it
    own = {} if nameless else own_names(labels, backbone.tokenizer, set(vocabulary.values()))
    words = {label: label for label in own}
    if lacking := [label for label in labels if label not in own]:
        left = {word: number for word, number in vocabulary.items() if number not in own.values()}
        words |= choose(backbone, problem, lacking, left, device)
    return {label: words[label] for label in labels}


def own_names(labels: list[str], tokenizer: PreTrainedTokenizerBase, known: set[int]) -> dict[str, int]:
    """The labels that are words themselves, and their tokens, which must be known; not where two are the same one.
    Numbers are no words."""
    read = tokenizer([f" {label}" for label in labels], add_special_tokens=False)["input_ids"]
    single = {label: ids[0] for label, ids in zip(labels, read, strict=True) if label.isalpha() and len(ids) == 1}
    times = Counter(single.values())
    return {label: number for label, number in single.items() if number in known and times[number] == 1}


def choose(
    backbone: Backbone, problem: Problem, labels: list[str], candidates: dict[str, int], device: torch.device
) -> dict[str, str]:
    """For each of these labels a word (of word -> id) whose logit is high on its texts, at [CLS], or at its words, and
    low on all others, by the correlation over them; for a value one that rises with it. No word twice, and the
    correlations' sum is the largest. Errors as of find."""
    if len(labels) > len(candidates):
        raise InputError(f"{len(labels):,} labels, and the vocabulary has {len(candidates):,} words: give fewer labels")
    names = list(problem.label_words)
    if problem.kind is Kind.TOKENS:
        rows, tokens, given = sample_tokens(problem.train, len(names))
        answers = np.eye(len(names), dtype=np.float32)[given]
    else:
        rows = sample(problem.train, problem.kind, len(names))
        tokens, answers = np.zeros_like(rows), answer_matrix(problem, rows)
    answers = answers[:, [names.index(label) for label in labels]]
    said = logits_at(backbone, problem.train.select(rows), tokens, list(candidates.values()), device)
    _, best = linear_sum_assignment(agreement(said, answers), maximize=True)
    words = list(candidates)
    return {label: words[number] for label, number in zip(labels, best, strict=True)}


def agreement(said: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """How much higher each word's logit [examples, words] is where an answer [examples, labels] is: the correlation,
    [labels, words]; 0 where there is none."""
    said, answers = (part - part.mean(0) for part in (said, answers))
    size = np.outer(np.linalg.norm(answers, axis=0), np.linalg.norm(said, axis=0))
    return answers.T @ said / np.where(size > 0, size, 1)


def sample(features: Dataset, kind: Kind, labels: int) -> np.ndarray:
    """Numbers of rows, int64 in rising order: SAMPLE over all, evenly spread over the data; with labels as many of
    each, and without any, so far as there are."""
    if kind is Kind.VALUE:
        return spread(np.arange(len(features)), SAMPLE)
    rows, given = (np.concatenate(part) for part in zip(*_pairs(features), strict=True))
    each = max(LEAST, SAMPLE // labels)
    return np.unique(np.concatenate([spread(rows[given == label], each) for label in range(-1, labels)]))


def _pairs(features: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and the labels that they have, -1 for none, a thousand rows at a time: two int64 arrays of one length."""
    for first, batch in enumerate(features.select_columns("labels").iter(1000)):
        labels = np.array(batch["labels"])
        rows, given = np.arange(len(labels)), labels
        if labels.ndim == 2:
            (rows, given), without = np.nonzero(labels), np.flatnonzero(~labels.any(1))
            rows, given = np.append(rows, without), np.append(given, np.full(len(without), -1))
        yield 1000 * first + rows, given


def sample_tokens(features: Dataset, labels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens that count, of each label as many, so far as there are, evenly spread over the data: their rows, which may
    repeat, their places in these, and their labels, int64."""
    found = [np.concatenate(part) for part in zip(*_counted(features), strict=True)]
    each = max(LEAST, SAMPLE // labels)
    picked = np.concatenate([spread(np.flatnonzero(found[-1] == label), each) for label in range(labels)])
    return tuple(part[np.sort(picked)] for part in found)


def _counted(features: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, places and labels of the tokens that count, a thousand rows at a time."""
    for first, batch in enumerate(features.select_columns("labels").iter(1000)):
        lengths, labels = [len(row) for row in batch["labels"]], np.concatenate(batch["labels"])
        rows = 1000 * first + np.repeat(np.arange(len(lengths)), lengths)
        places = np.concatenate([np.arange(length) for length in lengths])
        counted = labels != IGNORED
        yield rows[counted], places[counted], labels[counted]


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most, dtype=int)]


def answer_matrix(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """The answers of these rows, float32 [rows, labels]: 1 where a label fits, else 0; a value as it is."""
    labels = np.array(problem.train.select(rows)["labels"][:], np.float32)
    if problem.kind is Kind.LABEL:
        return np.eye(len(problem.label_words), dtype=np.float32)[labels.astype(int)]
    return labels.reshape(len(rows), -1)


@torch.inference_mode()
def logits_at(
    backbone: Backbone, features: Dataset, tokens: np.ndarray, ids: list[int], device: torch.device
) -> np.ndarray:
    """The frozen head's logits of these words at one token of each text (int64 [rows]), float32 [rows, words]."""
    model, place = backbone.model, backbone.model.device
    was_training = model.training
    form, found = DenseForm(model.to(device).eval()), np.empty((len(features), len(ids)), np.float32)
    for rows, inputs in by_length(features, backbone.tokenizer):
        with vectors_of(model.base_model, partial(_at, tokens[rows])):
            logits = form(**inputs.to(device))[:, 0]
        found[rows] = logits[:, ids].float().cpu().numpy()
    model.to(place).train(was_training)
    return found


def _at(tokens: np.ndarray, vectors: torch.Tensor) -> torch.Tensor:
    return vectors[np.arange(len(tokens)), tokens][:, None]
