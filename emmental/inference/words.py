"""A pruned model that gives each word of a text its tag, and groups words to entities."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from emmental.common.errors import InputError
from emmental.common.text import check_text
from emmental.inference.pruned import PrunedTexts
from emmental.inference.sentences import finite
from emmental.inference.texts import READING
from emmental.models.heads import TokenClassifier
from emmental.tasks import words, words_metrics, words_windows
from emmental.tasks.batches import by_length, lists_by_length

WORD = re.compile(r"\w(?:\S*\w)?|\S")  # from one letter or digit to another without a blank between, or a single sign

Text = str | Sequence[str]


class Entity(NamedTuple):
    """Words of a text that belong together. start, end: its characters in the text, or in the words joined by blanks;
    first, last: its words, counted from 0, both among them."""

    type: str
    text: str
    start: int
    end: int
    first: int
    last: int


class PrunedWords(PrunedTexts):
    """A tagger of words, ready to predict. A text is a string or the list of its words. A string is cut into words at
    blanks, and signs at a word's ends are words of their own. No text is too long."""

    model: TokenClassifier

    def tags(self, texts: Sequence[Text], max_length: int | None = None) -> list[list[str]]:
        """The tag of each word of each text. max_length: tokens that are read at once (by default 128, or all that the
        model reads where that is less). Raises InputError for what are no texts, and for another length.

        >>> from emmental import load_pruned
        >>> (found,) = load_pruned("names.smp").tags([["the", "film", "was", "good"]])
        >>> len(found), set(found) <= {"O", "B-ART"}
        (4, True)
        """
        found = self.probabilities(texts, max_length)
        return [words_metrics.named(self.labels, chances.argmax(-1)) for chances in found]

    def predict(self, texts: Sequence[Text], max_length: int | None = None) -> list[list[str]]:
        """As ``tags``."""
        return self.tags(texts, max_length)

    def entities(self, texts: Sequence[Text], max_length: int | None = None) -> list[list[Entity]]:
        """The entities that the tags of each text make, in order; none where the task's tags name no parts of any.
        Arguments and errors as of ``tags``.

        >>> from emmental import load_pruned
        >>> (found,) = load_pruned("names.smp").entities(["The film was good."])
        >>> all("The film was good."[one.start : one.end] == one.text for one in found)
        True
        """
        texts = checked(texts)
        return [self.group(text, tags) for text, tags in zip(texts, self.tags(texts, max_length), strict=True)]

    def group(self, text: Text, tags: list[str]) -> list[Entity]:
        """The entities that these tags of a text's words make; see ``entities``."""
        if not words_metrics.name_entities(self.labels):
            return []
        whole, places, found = text if isinstance(text, str) else " ".join(text), _places(text), []
        for kind, first, last in words_metrics.entities(tags):
            start, end = places[first][0], places[last][1]
            found.append(Entity(kind, whole[start:end], start, end, first, last))
        return found

    def probabilities(self, texts: Sequence[Text], max_length: int | None = None) -> list[np.ndarray]:
        """Probabilities float32 [words, tags] of each text, all for one tag where the tokenizer reads nothing of a
        word. Arguments and errors as of ``tags``."""
        texts = [words_of(text) for text in checked(texts)]
        length = self.reading_length(max_length)
        with READING:
            windows = words_windows.cut(texts, self.tokenizer, length) if texts else {"text": []}
        unread = np.eye(len(self.labels), dtype=np.float32)[words.unread(self.labels)]
        found = [np.tile(unread, (len(text), 1)) for text in texts]
        if windows["text"]:
            logits = token_logits(self.model, self.tokenizer, windows)
            words_windows.in_texts(windows, [one.softmax(-1).numpy() for one in logits], found)
        return found


@torch.inference_mode()
def best_tags(model: nn.Module, tokenizer: PreTrainedTokenizerBase, texts: words.Texts) -> list[np.ndarray]:
    """The numbers of the best tags int64 [tokens, or more] of each window, read batch by batch. Errors as of
    token_logits."""
    found, place = [None] * len(texts.windows), next(model.parameters()).device
    for rows, inputs in by_length(texts.windows, tokenizer):
        logits = finite(model(**inputs.to(place))["logits"].cpu())
        for row, best in zip(rows, logits.argmax(-1).numpy(), strict=True):
            found[row] = best
    return found


@torch.inference_mode()
def token_logits(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, windows: Mapping[str, list]
) -> list[torch.Tensor]:
    """Logits float32 [tokens, tags] of tokenised, unpadded windows (the model's inputs by name), on the CPU. Raises
    InputError where they are not finite, which no tag can be told from."""
    place, logits = next(model.parameters()).device, [None] * len(windows["input_ids"])
    for rows, batch in lists_by_length(windows, tokenizer):
        for row, answer in zip(rows, finite(model(**batch.to(place))["logits"].cpu()), strict=True):
            logits[row] = answer[: len(windows["input_ids"][row])]
    return logits


def checked(texts: Sequence[Text]) -> list[Text]:
    """The texts. Raises InputError for one text alone, and for what is neither a text nor a list of words."""
    if isinstance(texts, str | bytes):
        raise InputError("texts: a list of texts, or of lists of words, is needed, not one text")
    texts = [list(text) if isinstance(text, list | tuple | np.ndarray) else text for text in texts]
    for number, text in enumerate(texts, 1):
        for word in text if isinstance(text, list) else [text]:
            check_text(word, f"texts, number {number}")
    return texts


def words_of(text: Text) -> list[str]:
    """The text's words."""
    return [text[start:end] for start, end in _places(text)] if isinstance(text, str) else list(text)


def _places(text: Text) -> list[tuple[int, int]]:
    """Where each word starts and ends."""
    if isinstance(text, str):
        return [found.span() for found in WORD.finditer(text)]
    ends = np.cumsum([len(word) + 1 for word in text]) - 1
    return [(int(end) - len(word), int(end)) for word, end in zip(text, ends, strict=True)]
