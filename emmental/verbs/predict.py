"""What ``smp predict`` does: labels of texts, tags of their words, or the answer to a question."""

import csv
import sys
from pathlib import Path

import datasets
import numpy as np

from emmental.common.errors import InputError
from emmental.inference.sentences import Pruned
from emmental.recipes.kinds import Kind
from emmental.tasks import custom_predictions, squad
from emmental.verbs.opening import open_pruned, reading


def run(arguments) -> None:
    if arguments.question is not None or arguments.context is not None:
        answer(arguments)
    else:
        label(arguments)


def answer(arguments) -> None:
    if None in (arguments.question, arguments.context) or arguments.texts or arguments.tsv:
        raise InputError("--question and --context go together, and without texts")
    datasets.disable_progress_bars()
    pruned = open_pruned(arguments)
    if pruned.info.kind is not Kind.SPAN:
        raise InputError(f"{arguments.mask} is a mask for {pruned.info.task}: give texts, not --question and --context")
    best = pruned.answers(arguments.question, arguments.context, squad.Reading(**reading(arguments)))[0]
    print(f"answer\tprobability\n{best['text']}\t{best['probability']:.6f}")


def label(arguments) -> None:
    rows = [[text] for text in arguments.texts]
    if arguments.tsv:
        rows += read_tsv(arguments.tsv)
    if {len(row) for row in rows} not in ({1}, {2}):
        raise InputError("give texts, or with --tsv a file whose lines all hold one text, or two parted by a tab")
    pruned = open_pruned(arguments)
    if pruned.info.kind is Kind.SPAN:
        raise InputError(f"{arguments.mask} is a mask for {pruned.info.task}: give --question and --context")
    if pruned.info.kind is Kind.TOKENS:
        from emmental.verbs.tags import tag  # loads seqeval and scikit-learn, which no other task needs

        tag(arguments, pruned, rows)
        return
    if arguments.words:
        raise InputError(f"--words: {pruned.info.task} asks nothing of single words; leave it out")
    columns = [list(column) for column in zip(*rows, strict=True)]
    answers = pruned.probabilities(*columns, max_length=arguments.max_seq_length)
    table = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    heads = {Kind.LABEL: ["label"], Kind.SEVERAL: ["labels"]}
    table.writerow([*heads.get(pruned.info.kind, []), *pruned.labels])
    for values in answers:
        table.writerow([*chosen(pruned, values), *(f"{value:.6f}" for value in values)])


def chosen(pruned: Pruned, probabilities: np.ndarray) -> list[str]:
    """The cell that names the label of these probabilities, or the labels; none for a value."""
    if pruned.info.kind is Kind.SEVERAL:
        return [custom_predictions.SEPARATOR.join(np.array(pruned.labels)[probabilities > 0.5])]
    return [pruned.labels[probabilities.argmax()]] if pruned.info.kind is Kind.LABEL else []


def read_tsv(path: Path) -> list[list[str]]:
    """The cells of each line. Line feeds alone end one: texts hold all else that Unicode has for it."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable UTF-8 text: {error}") from None
    return [line.removesuffix("\r").split("\t") for line in text.removesuffix("\n").split("\n")]
