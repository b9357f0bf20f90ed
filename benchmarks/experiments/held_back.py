"""Validation data out of training data, for choosing settings without a look at the validation sets."""

from pathlib import Path

from emmental.common.files import replacing

PART = 10  # every tenth row
FILES = {"MNLI": "dev_matched.tsv", "STS-B": "dev.tsv"}


def write(glue: Path, folder: Path) -> None:
    """Write a folder like GLUE's, whose validation rows are every tenth of the training rows. Not the last ones:
    STS-B's file is sorted by genre."""
    for task, validation in FILES.items():
        head, *rows = (glue / task / "train.tsv").read_bytes().rstrip(b"\n").split(b"\n")
        parts = {
            "train.tsv": [row for number, row in enumerate(rows) if number % PART],
            validation: rows[::PART],
        }
        for name, part in parts.items():
            with replacing(folder / task / name) as temporary:
                temporary.write_bytes(b"\n".join([head, *part]) + b"\n")
