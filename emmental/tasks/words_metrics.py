"""Tags of words: what entities they make, and how well they were found, both as CoNLL's own script counts (seqeval)."""

import re

import numpy as np
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from sklearn.metrics import accuracy_score, f1_score

from emmental.common.errors import InputError
from emmental.recipes import metrics
from emmental.recipes.kinds import Kind
from emmental.tasks.words_examples import OUTSIDE

ENTITY_TAG = re.compile(r"O|[BIES](-.+)?")  # IOB1, IOB2, IOE, IOBES: counting takes them all, in any order
OF_ENTITIES, OF_WORDS = ("f1", "precision", "recall", "accuracy"), ("accuracy", "f1_macro")


def chosen(tags: list[str], metric: str | None) -> tuple[str, ...]:
    """The metrics of --metric, or else of entities, or of words where no tag names a part of an entity. Raises
    InputError where some tags do and others are none of this form, and for a metric that cannot be computed."""
    of_entities = name_entities(tags)
    names = metrics.asked(metric, Kind.TOKENS) if metric else OF_ENTITIES if of_entities else OF_WORDS
    if not of_entities and (unfit := [name for name in names if name not in OF_WORDS]):
        raise InputError(f"--metric {unfit[0]} is of entities, and no tag names one (B-, I-): {', '.join(OF_WORDS)}")
    return names


def name_entities(tags: list[str]) -> bool:
    """Whether these tags name parts of entities. Raises InputError where only some do."""
    strange = [tag for tag in tags if not ENTITY_TAG.fullmatch(tag)]
    if strange and any(re.match("[BIES]-", tag) for tag in tags):
        raise InputError(
            f"the tag {strange[0]!r:.50} is none of an entity's, as others are: {OUTSIDE}, or B-, I-, E-, S- and a type"
        )
    return not strange


def score(
    names: tuple[str, ...], tags: list[str], truth: list[np.ndarray], found: list[np.ndarray]
) -> dict[str, float]:
    """These metrics by name. truth, found: numbers of the true tags, and of those found, int [words] of each text."""
    together = np.concatenate(truth), np.concatenate(found)
    measured = {"accuracy": accuracy_score(*together)}
    if name_entities(tags):
        pair = [[named(tags, text) for text in texts] for texts in (truth, found)]
        precision, recall, f1, _ = precision_recall_fscore_support(*pair, average="micro", zero_division=0)
        measured |= {"f1": f1, "precision": precision, "recall": recall}
        if "f1_macro" in names:
            measured["f1_macro"] = precision_recall_fscore_support(*pair, average="macro", zero_division=0)[2]
    else:
        measured["f1_macro"] = f1_score(*together, average="macro", zero_division=0)
    return {name: float(measured[name]) for name in names}


def named(tags: list[str], numbers: np.ndarray) -> list[str]:
    """The tags of these numbers."""
    return [tags[number] for number in numbers]


def entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """What the tags of a text's words make: type, first and last word of each entity, counted from 0. The type is empty
    where tags name none."""
    return [("" if kind == "_" else kind, first, last) for kind, first, last in get_entities(tags)]
