"""Validation data out of training data, for choosing settings without a look at the validation sets."""

import json
from pathlib import Path

from emmental.common.files import replacing

PART = 10  # every tenth row, or article
FILES = {"MNLI": "dev_matched.tsv", "STS-B": "dev.tsv", "CoLA": "dev.tsv"}
WITHOUT_HEAD = "CoLA"
QUESTIONS = "train.json", "validation.json"


def write(glue: Path, folder: Path) -> None:
    """Write a folder like GLUE's, whose validation rows are every tenth of the training rows. Not the last ones:
    STS-B's file is sorted by genre."""
    for task, validation in FILES.items():
        lines = (glue / task / "train.tsv").read_bytes().rstrip(b"\n").split(b"\n")
        heads = int(task != WITHOUT_HEAD)
        for name, part in parts(lines[heads:], ("train.tsv", validation)):
            with replacing(folder / task / name) as temporary:
                temporary.write_bytes(b"\n".join([*lines[:heads], *part]) + b"\n")


def write_questions(training_file: Path, folder: Path) -> None:
    """The same of SQuAD's training file, by article: QUESTIONS."""
    whole = json.loads(training_file.read_text())
    for name, articles in parts(whole["data"], QUESTIONS):
        with replacing(folder / name) as temporary:
            temporary.write_text(json.dumps(whole | {"data": articles}))


def parts(rows: list, names: tuple[str, str]) -> list[tuple[str, list]]:
    """The names with their rows: those that train, and every tenth, which validate."""
    return list(zip(names, ([row for n, row in enumerate(rows) if n % PART], rows[::PART]), strict=True))
