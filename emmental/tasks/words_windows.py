"""Texts of words to windows of tokens, in which every word is answered exactly once: at its first token.

A text that is longer than a window becomes several, which share tokens, so that the words beside a cut have some context
on both sides. What windows answer is put together again by ``in_texts``.
"""

from collections.abc import Iterable

import numpy as np
from datasets import Dataset

from emmental.common.errors import InputError
from emmental.models.losses import IGNORED
from emmental.tasks.conll import TAGS, WORDS

DECODING_COLUMNS = ("text", "words")
NO_WORD = -1
SHARED = 0.25  # of a window: what neighbours have in common


def windows(examples: Dataset, tokenizer, max_length: int) -> Dataset:
    """Windows of at most max_length tokens, not padded; cached. A word that the tokenizer reads nothing of is in none.

    Columns: what the tokenizer gives (input_ids, attention_mask, token_type_ids if it has them); text, the row of
    ``examples``; words, for each token the number of the word that is answered there, or NO_WORD; and where the
    examples have tags, labels: the word's tag, or IGNORED. Raises InputError for a tokenizer without offsets.
    """
    if not tokenizer.is_fast:
        raise InputError(f"{tokenizer.name_or_path}: words need a fast tokenizer, this one gives no offsets")
    return examples.map(
        _windows,
        batched=True,
        with_indices=True,
        remove_columns=examples.column_names,
        fn_kwargs={"tokenizer": tokenizer, "max_length": max_length},
        desc="windows",
    )


def in_texts(windows: Dataset, answers: Iterable[np.ndarray], texts: list[np.ndarray]) -> None:
    """Put the windows' answers [tokens, or more, …], in the windows' order, into their texts' [words, …]."""
    for text, words, answer in zip(windows["text"][:], windows["words"][:], answers, strict=True):
        words = np.array(words)
        (places,) = np.nonzero(words != NO_WORD)
        texts[text][words[places]] = answer[places]


def _windows(batch: dict, rows: list[int], tokenizer, max_length: int) -> dict:
    # Words are joined by blanks: so tokenizers with and without leading blanks read them as they do in a text.
    room = max_length - tokenizer.num_special_tokens_to_add()
    shared = int(SHARED * room)
    found = tokenizer(
        [" ".join(words) for words in batch[WORDS]],
        truncation=True,
        max_length=max_length,
        stride=shared,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    ends = [np.array(offsets)[:, 1] for offsets in found.pop("offset_mapping")]
    owners = found.pop("overflow_to_sample_mapping")
    answered = []
    for number, text in enumerate(owners):
        first, last = text not in owners[number - 1 : number], text not in owners[number + 1 : number + 2]
        real = np.array([part == 0 for part in found.sequence_ids(number)])
        words = np.where(real, _words_at(batch[WORDS][text])[ends[number] - 1], NO_WORD)
        place = np.cumsum(real) - 1  # among the text's tokens in this window
        own = (first | (place >= shared // 2)) & (last | (place < room - shared + shared // 2))
        words[~own] = NO_WORD
        before = -1 if first else before
        seen = np.maximum.accumulate(np.append(before, words))
        words[words <= seen[:-1]] = NO_WORD  # later tokens of a word
        before = seen[-1]
        answered.append(words)
    kept = [number for number, words in enumerate(answered) if (words != NO_WORD).any()]
    columns = {name: [values[number] for number in kept] for name, values in found.items()}
    columns |= {"text": [rows[owners[number]] for number in kept], "words": [answered[number] for number in kept]}
    if TAGS in batch:
        tags = [np.array([*own, IGNORED]) for own in batch[TAGS]]  # NO_WORD is the last
        columns["labels"] = [tags[owners[number]][answered[number]] for number in kept]
    return columns


def _words_at(words: list[str]) -> np.ndarray:
    """The number of the word at each character of the words joined by blanks, NO_WORD at these; one more at the end,
    where tokens of no character look."""
    return np.concatenate([[*[number] * len(word), NO_WORD] for number, word in enumerate(words)]).astype(int)
