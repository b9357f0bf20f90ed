"""The teacher of a distillation: loading it, and bringing its labels into the task's order.

That order is checked on training data before anything is trained: labels in another order are the error that every
project of this kind has met. What the teacher says of the data is computed in teacher_logits.py.
"""

from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from scipy.optimize import linear_sum_assignment
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from emmental.common.errors import InputError
from emmental.models.backbones import DENSE_MODELS, load_model, load_tokenizer
from emmental.models.losses import IGNORED
from emmental.recipes.kinds import Kind
from emmental.tasks.problem import Problem
from emmental.training.teacher_logits import SIDES, compute_logits

SAMPLE = 512  # training examples that the order of labels is checked on
MOST_ORDERED = 10  # labels; of more, too few of each are among these to tell one order from another
KNOWN_ORDERS = {"dynabert": ("contradiction", "entailment", "neutral")}  # MNLI's, in the teachers of that name
# What teachers call the labels of tasks whose own names are numbers.
OTHER_NAMES = {
    "sst2": ("negative", "positive"),
    "reviews": ("negative", "positive"),
    "cola": ("unacceptable", "acceptable"),
    "mrpc": ("not_equivalent", "equivalent"),
    "qqp": ("not_duplicate", "duplicate"),
}


@dataclass(frozen=True)
class Teacher:
    """A frozen model, and which of its logits belongs to which of the task's labels."""

    model: PreTrainedModel
    name: str
    order: tuple[int, ...]  # the number of the teacher's logit, for each of the task's labels


def load_teacher(name: str, problem: Problem, tokenizer: PreTrainedTokenizerBase, order: str | None = None) -> Teacher:
    """Load a fine-tuned model of the problem's kind. order: the task's labels in the teacher's order, by commas, or
    ``dynabert``; else the names in the teacher's config decide, or where it has none the task's own order.

    Raises InputError for a teacher that is missing, lacks its head, has another vocabulary or other labels.
    """
    try:
        model, missing = load_model(DENSE_MODELS[problem.kind], name)
        vocabulary = load_tokenizer(name).get_vocab()
    except InputError as error:
        raise InputError(f"the teacher: {error}") from None
    if missing:
        raise InputError(f"the teacher {name!r} lacks {len(missing)} weights, first {min(missing)}: fine-tune it")
    if vocabulary != tokenizer.get_vocab():
        raise InputError(
            f"the teacher {name!r} ({type(model).__name__}) has another vocabulary than the backbone: take a teacher "
            f"that was fine-tuned from a model of the same kind"
        )
    labels = list(problem.label_words)
    if model.config.num_labels != len(labels):
        raise InputError(f"the teacher {name!r} has {model.config.num_labels} labels, {problem.task} has {len(labels)}")
    named = [_plain(model.config.id2label[number]) for number in range(len(labels))]
    order = _asked_order(order, labels) if order else _known_order(problem.task, labels, named, name)
    return Teacher(model.eval().requires_grad_(False), name, order)


def _asked_order(asked: str, labels: list[str]) -> tuple[int, ...]:
    names = KNOWN_ORDERS.get(asked, asked.split(","))
    if sorted(names) != sorted(labels):
        raise InputError(f"--teacher_label_order {asked}: give {', '.join(labels)} by commas, in the teacher's order")
    return tuple(names.index(label) for label in labels)


def _known_order(task: str, labels: list[str], named: list[str], teacher: str) -> tuple[int, ...]:
    for known in ([_plain(label) for label in labels], OTHER_NAMES.get(task, ())):
        if sorted(named) == sorted(known):
            return tuple(named.index(label) for label in known)
    for word, names in KNOWN_ORDERS.items():
        if word in teacher.lower() and sorted(names) == sorted(labels):
            return tuple(names.index(label) for label in labels)
    return tuple(range(len(labels)))


def _plain(label: str) -> str:
    return label.lower().replace(" ", "_").replace("-", "_")


def check_order(teacher: Teacher, problem: Problem, tokenizer: PreTrainedTokenizerBase) -> None:
    """Score the teacher on a sample of the training data. Raises InputError where it is no better than chance there,
    or where another order of its labels would be clearly better, which it names."""
    sample = problem.train.select(np.linspace(0, len(problem.train) - 1, min(SAMPLE, len(problem.train)), dtype=int))
    logits = compute_logits(teacher.model, sample, tokenizer)
    if problem.kind is Kind.SPAN:
        _check_spans(teacher, problem.label_names, sample, logits)
    elif problem.kind is Kind.VALUE:
        _check_values(teacher, sample, logits)
    elif problem.kind is Kind.SEVERAL:
        _check_several(teacher, sample, logits)
    else:
        _check_classes(teacher, list(problem.label_words), sample, logits)


def _check_classes(teacher: Teacher, labels: list[str], sample: Dataset, logits: dict) -> None:
    truth, predicted = sample["labels"][:], [row.argmax(-1) for row in logits["logits"]]
    if np.ndim(truth[0]):  # of words
        truth, predicted = np.concatenate(truth), np.concatenate(predicted)
        predicted, truth = predicted[truth != IGNORED], truth[truth != IGNORED]
    truth, predicted = np.array(truth), np.array(predicted)
    every = range(len(labels))
    met = [label for label in every if (truth == label).any()]
    # shares [labels, logits]: classes count alike, so that the commonest is no good answer
    shares = np.array([np.bincount(predicted[truth == label], minlength=len(labels)) for label in met], float)
    shares /= shares.sum(1, keepdims=True)
    _, best = linear_sum_assignment(shares, maximize=True)
    orders = [teacher.order[label] for label in met], best
    right, most = (shares[range(len(met)), list(order)].mean() for order in orders)
    noise = 2 * (0.25 / len(sample)) ** 0.5  # two standard deviations of a share
    if most > right + noise and len(met) == len(labels) <= MOST_ORDERED:
        other = ",".join(labels[list(best).index(number)] for number in every)
        raise InputError(
            f"the teacher {teacher.name!r} gets {100 * right:.1f} % of the training labels right, and "
            f"{100 * most:.1f} % in the label order {other}: give --teacher_label_order {other}"
        )
    if right <= 1 / len(labels) + noise:
        raise _useless(teacher, f"gets {100 * right:.1f} % of the training labels right, in any order of them")


def _check_several(teacher: Teacher, sample: Dataset, logits: dict) -> None:
    truth, found = np.array(sample["labels"][:]), np.array(logits["logits"])[:, teacher.order]
    correlation = np.corrcoef((truth - truth.mean(0)).ravel(), (found - found.mean(0)).ravel())[0, 1]
    if not correlation > 2 / len(sample) ** 0.5:
        raise _useless(teacher, f"correlates by {correlation:.2f} with the training data's labels")


def _check_values(teacher: Teacher, sample: Dataset, logits: dict) -> None:
    correlation = np.corrcoef(sample["labels"][:], np.array(logits["logits"])[:, 0])[0, 1]
    if not correlation > 2 / len(sample) ** 0.5:
        raise _useless(teacher, f"correlates by {correlation:.2f} with the training data's values")


def _check_spans(teacher: Teacher, positions: tuple[str, ...], sample: Dataset, logits: dict) -> None:
    found = [np.array([row.argmax() for row in logits[side]]) for side in SIDES]
    right = np.mean([place == np.array(sample[name][:]) for place, name in zip(found, positions, strict=False)])
    chance = np.mean([1 / len(row) for row in logits[SIDES[0]]])
    if not right > chance + 2 * (chance / len(sample)) ** 0.5:
        raise _useless(teacher, f"finds {100 * right:.1f} % of the starts and ends of the training data's answers")


def _useless(teacher: Teacher, finding: str) -> InputError:
    return InputError(
        f"the teacher {teacher.name!r} is no better than chance: it {finding}. Was it trained for another task?"
    )
