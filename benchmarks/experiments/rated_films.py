"""The demo's rated snippets of film reviews as tasks of one's own, without the Hub: six classes, and several labels.

python -m benchmarks.experiments.rated_films films     # writes train.csv, validation.csv, train.jsonl, validation.jsonl

The csv files have classes from 0 to 5 by the rating. The jsonl files have lists of labels: positive or negative, strong
(a rating of 2 or more, or -2 or less) and long (25 words or more).
"""

import csv
import json
import sys
from pathlib import Path

from emmental.common.files import replacing
from emmental.tasks import reviews

CLASSES_FROM = (-2, -1, 0, 1, 2)  # the least ratings of the classes from 1 on
STRONG, LONG = 2, 25


def write(folder: Path) -> None:
    """Write the four files; a snippet is on the same side in all of them."""
    for split in ("train", "validation"):
        rows = [(rating, text) for rating, text in reviews.ratings() if reviews.split_of(text) == split]
        with replacing(folder / f"{split}.csv") as temporary, temporary.open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *((text, six_classes(rating)) for rating, text in rows)])
        with replacing(folder / f"{split}.jsonl") as temporary, temporary.open("w") as file:
            file.writelines(json.dumps({"text": text, "labels": labels(rating, text)}) + "\n" for rating, text in rows)


def six_classes(rating: float) -> int:
    """From 0, which is the worst, to 5."""
    return sum(rating >= least for least in CLASSES_FROM)


def labels(rating: float, text: str) -> list[str]:
    """What fits: positive or negative, strong, long."""
    fits = {
        "positive": rating > 0,
        "negative": rating < 0,
        "strong": abs(rating) >= STRONG,
        "long": len(text.split()) >= LONG,
    }
    return [label for label, fitting in fits.items() if fitting]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
