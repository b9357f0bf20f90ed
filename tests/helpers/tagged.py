"""Texts of the tiny vocabulary with a tag for each word, which the word before it decides."""

import json
import random
from dataclasses import replace
from pathlib import Path

from emmental import masks
from emmental.recipes.kinds import Kind
from emmental.tasks.conll import write_conll
from tests.helpers.tiny import random_mask

NOUNS, OTHERS = "film plot actor story music".split(), "was is not very funny dull slow . ,".split()
TAGS = ("O", "B-ART", "I-ART", "B-PER", "I-PER")
TAG_WORDS = dict(zip(TAGS, "no good great bad terrible".split(), strict=True))


def tagged(rows: int, seed: int = 0) -> list[tuple[list[str], list[str]]]:
    """Words and their tags: a noun is a work of art after "the" and a person after "a", and "unbelievable", which is
    three tokens, goes on with either."""
    draw, texts = random.Random(seed), []
    for _ in range(rows):
        words, tags = [], []
        for _ in range(draw.randint(1, 4)):
            article, kind = draw.choice((("the", "ART"), ("a", "PER")))
            longer = draw.random() < 0.4
            words += [article, draw.choice(NOUNS), *["unbelievable"] * longer, *draw.choices(OTHERS, k=2)]
            tags += ["O", f"B-{kind}", *[f"I-{kind}"] * longer, "O", "O"]
        texts.append((words, tags))
    return texts


def write_tagged(path: Path, rows: int, seed: int = 0) -> Path:
    """Such texts as a CoNLL file, or by its name a jsonl file with the columns tokens and ner_tags."""
    texts = tagged(rows, seed)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"tokens": words, "ner_tags": tags}) + "\n" for words, tags in texts))
    else:
        write_conll(path, texts)
    return path


def names_mask(folder: Path, words: dict[str, str] = TAG_WORDS, seed: int = 0) -> masks.Mask:
    """A random mask for such texts over the backbone in this folder."""
    mask = random_mask(folder, words=words, seed=seed)
    return replace(mask, info=replace(mask.info, task="names", kind=Kind.TOKENS))
