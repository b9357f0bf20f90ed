"""Tasks that ask for a tag of each word, such as named entities: what is asked of a model, and how its answers count.

Examples, windows and metrics each have a file of their own beside this one.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from emmental.common.errors import InputError
from emmental.recipes.kinds import Kind
from emmental.tasks import words_metrics
from emmental.tasks.conll import TAGS, WORDS, write_conll
from emmental.tasks.words_examples import OUTSIDE
from emmental.tasks.words_windows import DECODING_COLUMNS, in_texts, windows

LABELS = ("labels", "row")  # row: which window it is, for predictions come in any order


@dataclass(frozen=True)
class WordTask:
    """What is particular to one task. words: tag -> label word, in the order of the tags' numbers."""

    name: str
    words: dict[str, str]

    @property
    def kind(self) -> Kind:
        return Kind.TOKENS

    @property
    def tags(self) -> list[str]:
        return list(self.words)

    @property
    def metrics(self) -> tuple[str, ...]:
        return words_metrics.metrics(self.tags)

    def with_words(self, label_map: dict) -> "WordTask":
        """The task with other label words. Raises InputError where there is not one for each tag."""
        if label_map.keys() != self.words.keys() or not all(isinstance(word, str) for word in label_map.values()):
            raise InputError(f"--label_map {label_map}: {self.name} needs one word for each of {', '.join(self.tags)}")
        return replace(self, words={tag: label_map[tag] for tag in self.tags})


def train_inputs(examples: Dataset, tokenizer, max_length: int) -> Dataset:
    """What a model trains on: windows with their labels."""
    return windows(examples, tokenizer, max_length).remove_columns(list(DECODING_COLUMNS))


def choose(logits: torch.Tensor, labels) -> torch.Tensor:
    """Numbers of the best tags int64 [windows, length] of logits [windows, length, tags]: what Trainer keeps of them."""
    return logits.argmax(-1)


class TaggedTexts:
    """Examples and their windows: the model's inputs, and from its answers to tags."""

    def __init__(self, task: WordTask, examples: Dataset, tokenizer, max_length: int):
        self.task, self.examples = task, examples
        self.windows = windows(examples, tokenizer, max_length)
        self.truth = [np.array(tags) for tags in examples[TAGS][:]] if TAGS in examples.column_names else []

    def inputs(self) -> Dataset:
        """What a model is asked: windows with their labels, among them their row."""
        inputs = self.windows.remove_columns(list(DECODING_COLUMNS))
        return inputs.add_column("row", np.arange(len(inputs)))

    def tags(self, answers) -> list[np.ndarray]:
        """Numbers of the tags int64 [words] of each text; answers: int64 [tokens, or more] of each window. A word that
        no window holds, because the tokenizer reads nothing of it, is in no entity."""
        outside = self.task.tags.index(OUTSIDE) if OUTSIDE in self.task.tags else 0
        texts = [np.full(len(words), outside) for words in self.examples[WORDS][:]]
        in_texts(self.windows, answers, texts)
        return texts

    def score(self, answers) -> dict[str, float]:
        """The task's metrics of these answers, as of ``tags``."""
        return words_metrics.score(self.task.tags, self.truth, self.tags(answers))

    def compute_metrics(self, prediction) -> dict[str, float]:
        """The scores of a Trainer's prediction over ``inputs``, of which ``choose`` was kept."""
        return self.score(prediction.predictions[np.argsort(prediction.label_ids[LABELS.index("row")])])

    def baseline(self) -> float:
        """The chief metric of giving every word the commonest tag."""
        commonest = Counter(np.concatenate(self.truth).tolist()).most_common(1)[0][0]
        found = [np.full_like(tags, commonest) for tags in self.truth]
        return words_metrics.score(self.task.tags, self.truth, found)[self.task.metrics[0]]

    def write(self, answers, path: Path) -> str:
        """Write words and found tags as a CoNLL file; returns a line on them."""
        found = [words_metrics.named_tags(self.task.tags, numbers) for numbers in self.tags(answers)]
        write_conll(path, zip(self.examples[WORDS][:], found, strict=True))
        counts = Counter(tag for tags in found for tag in tags)
        shown = ", ".join(f"{counts[tag]:,} {tag}" for tag in self.task.tags if counts[tag])
        return f"{counts.total():,} words of {len(found):,} texts: {shown}"
