"""Texts of words to windows of tokens, in which every word is answered exactly once: at its first token.

A text that is longer than a window becomes several. Neighbours share tokens, of which each answers for a half, so that
words beside a cut have some context on both sides. ``in_texts`` puts together what windows answer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from datasets import Dataset
from transformers import BatchEncoding

from emmental.common.errors import InputError
from emmental.models.losses import IGNORED
from emmental.tasks.words_examples import TAGS, WORDS

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


def _windows(batch: dict, rows: list[int], tokenizer, max_length: int) -> dict[str, list]:
    found = cut(batch[WORDS], tokenizer, max_length)
    if TAGS in batch:
        tags = [np.array([*own, IGNORED]) for own in batch[TAGS]]  # NO_WORD is the last
        found["labels"] = [tags[text][words] for text, words in zip(found["text"], found["words"], strict=True)]
    return found | {"text": [rows[text] for text in found["text"]]}


def cut(texts: list[list[str]], tokenizer, max_length: int) -> dict[str, list]:
    """The windows of these texts, as of ``windows``, in memory."""
    room = max_length - tokenizer.num_special_tokens_to_add()
    shared = int(SHARED * room)
    found = tokenizer(
        [" ".join(words) for words in texts],  # which tokenizers with and without leading blanks read alike
        truncation=True,
        max_length=max_length,
        stride=shared,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    answered = list(_answered(found, [_words_at(words) for words in texts], room, shared))
    columns = {name: found[name] for name in tokenizer.model_input_names if name in found}
    columns |= {"text": found["overflow_to_sample_mapping"], "words": answered}
    kept = [number for number, words in enumerate(answered) if (words != NO_WORD).any()]
    return {name: [values[number] for number in kept] for name, values in columns.items()}


def in_texts(windows: Mapping[str, Sequence], answers: Iterable[np.ndarray], texts: list[np.ndarray]) -> None:
    """Put the windows' answers [tokens or more, …], in the windows' order, into their texts' [words, …]."""
    for text, words, answer in zip(windows["text"][:], windows["words"][:], answers, strict=True):
        words = np.array(words)
        (places,) = np.nonzero(words != NO_WORD)
        texts[text][words[places]] = answer[places]


def _words_at(words: list[str]) -> np.ndarray:
    """The number of the word at each character of the words joined by blanks, NO_WORD at these; one more at the end,
    where tokens of no character look."""
    lengths = np.array([len(word) + 1 for word in words], dtype=int)
    numbers = np.repeat(np.arange(len(words)), lengths)
    numbers[lengths.cumsum() - 1] = NO_WORD
    return np.append(numbers, NO_WORD)


def _answered(found: BatchEncoding, words_at: list[np.ndarray], room: int, shared: int) -> Iterator[np.ndarray]:
    """For each window the words (or NO_WORD) that its tokens answer for. room, shared: tokens of the text in a window,
    and those of them that the next one has, too."""
    owners, latest = found["overflow_to_sample_mapping"], NO_WORD
    for number, text in enumerate(owners):
        latest = latest if text in owners[number - 1 : number] else NO_WORD
        last = text not in owners[number + 1 : number + 2]
        real = np.array([part == 0 for part in found.sequence_ids(number)])
        place = np.cumsum(real) - 1  # among the window's tokens of the text
        own = real & (last | (place < room - shared + shared // 2))  # what is behind is the next one's
        ends = np.array(found["offset_mapping"][number])[:, 1]  # starts may be those of the blank before a word
        words = np.where(own, words_at[text][ends - 1], NO_WORD)
        until = np.maximum.accumulate(np.append(latest, words))
        latest = until[-1]
        yield np.where(words > until[:-1], words, NO_WORD)  # else answered before: no word's first token
