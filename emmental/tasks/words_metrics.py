"""Tags of words: what entities they make, and how well they were found, both as CoNLL's own script counts (seqeval)."""

import re

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from sklearn.metrics import accuracy_score, f1_score

from emmental.common.errors import InputError
from emmental.tasks.words_examples import OUTSIDE

ENTITY_TAG = re.compile(r"O|[BIES](-.+)?")  # IOB1, IOB2, IOE, IOBES: counting takes them all, in any order
ENTITY_METRICS, WORD_METRICS = ("f1", "precision", "recall", "accuracy"), ("accuracy", "macro_f1")


def metrics(tags: list[str]) -> tuple[str, ...]:
    """The metrics of a task with these tags, the first chooses the best mask: of entities, or of words where no tag
    names a part of one. Raises InputError where some do and others are no tags of this form."""
    strange = [tag for tag in tags if not ENTITY_TAG.fullmatch(tag)]
    if not strange:
        return ENTITY_METRICS
    if any(re.match("[BIES]-", tag) for tag in tags):
        raise InputError(
            f"the tag {strange[0]!r:.50} is none of an entity's, as others are: {OUTSIDE}, or B-, I-, E- or S- and a type"
        )
    return WORD_METRICS


def score(tags: list[str], truth: list[np.ndarray], found: list[np.ndarray]) -> dict[str, float]:
    """The metrics of ``metrics`` by name, of the numbers of true tags and of those found (int [words] of each text)."""
    together = np.concatenate(truth), np.concatenate(found)
    accuracy = {"accuracy": float(accuracy_score(*together))}
    if metrics(tags) == WORD_METRICS:
        return accuracy | {"macro_f1": float(f1_score(*together, average="macro", zero_division=0))}
    named = [[named_tags(tags, text) for text in texts] for texts in (truth, found)]
    precision, recall, f1, _ = precision_recall_fscore_support(*named, average="micro", zero_division=0)
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall)} | accuracy


def named_tags(tags: list[str], numbers: np.ndarray) -> list[str]:
    """The tags of these numbers."""
    return [tags[number] for number in numbers]


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """What the tags of a text's words make: type, first and last word of each entity, counted from 0. The type is empty
    where tags name none."""
    return [("" if kind == "_" else kind, first, last) for kind, first, last in get_entities(tags)]
