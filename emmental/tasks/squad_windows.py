"""Questions to windows of tokens, with the labels that training needs and the offsets that decoding needs.

Windows are not padded: the collator does it, per batch. Decoding answers is in squad_answers.py.
"""

from collections.abc import Callable

import numpy as np
from datasets import Dataset

from emmental.common.errors import InputError

DECODING_COLUMNS = ("example", "char_starts", "char_ends")


def training_features(examples: Dataset, tokenizer, max_length: int, stride: int) -> Dataset:
    """Windows of at most max_length tokens, neighbours sharing ``stride`` tokens of context; cached.

    Columns: what the tokenizer gives (input_ids, attention_mask, token_type_ids if it has them) and the token
    indices start_positions and end_positions (inclusive) of the first answer whose text lies in the window, both 0
    ([CLS]) where none does. Raises InputError where the lengths leave no room for context.
    """
    return _map_windows(_training_windows, examples, tokenizer, max_length, stride)


def evaluation_features(examples: Dataset, tokenizer, max_length: int, stride: int) -> Dataset:
    """The same windows, and for decoding where each window and token comes from.

    Further columns: example, the row of ``examples``; char_starts and char_ends, one per token, the token's place in
    the context, -1 for tokens outside the context.
    """
    return _map_windows(_evaluation_windows, examples, tokenizer, max_length, stride)


def _map_windows(windows: Callable, examples: Dataset, tokenizer, max_length: int, stride: int) -> Dataset:
    if not tokenizer.is_fast:
        raise InputError(f"{tokenizer.name_or_path}: SQuAD needs a fast tokenizer, this one gives no offsets")
    if not 0 <= stride < max_length:
        raise InputError(f"stride {stride}: must be at least 0 and below the max length of {max_length} tokens")
    return examples.map(
        windows,
        batched=True,
        with_indices=True,
        remove_columns=examples.column_names,
        fn_kwargs={"tokenizer": tokenizer, "max_length": max_length, "stride": stride},
        desc="windows",
    )


def _windows(batch: dict, rows: list[int], tokenizer, max_length: int, stride: int) -> dict:
    questions = [question.strip() for question in batch["question"]]  # some begin with a page of blanks
    _require_room(batch["id"], questions, tokenizer, max_length, stride)
    windows = tokenizer(
        questions,
        batch["context"],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    offsets = [np.array(window, dtype=np.int32) for window in windows.pop("offset_mapping")]
    for number, window in enumerate(offsets):
        window[[part != 1 for part in windows.sequence_ids(number)]] = -1
    windows["char_starts"] = [window[:, 0] for window in offsets]
    windows["char_ends"] = [window[:, 1] for window in offsets]
    windows["example"] = [rows[owner] for owner in windows.pop("overflow_to_sample_mapping")]
    return dict(windows)


def _require_room(ids: list[str], questions: list[str], tokenizer, max_length: int, stride: int) -> None:
    room = max_length - stride - tokenizer.num_special_tokens_to_add(pair=True)
    for name, tokens in zip(ids, tokenizer(questions, add_special_tokens=False)["input_ids"], strict=True):
        if len(tokens) >= room:
            raise InputError(
                f"question {name!r} has {len(tokens)} tokens: with max length {max_length} and stride {stride} at most "
                f"{room - 1} leave room for the context to move on; raise the one or lower the other"
            )


def _evaluation_windows(batch: dict, rows: list[int], tokenizer, max_length: int, stride: int) -> dict:
    windows = _windows(batch, rows, tokenizer, max_length, stride)
    owners = [None, *windows["example"], None]
    places = zip(windows["char_starts"], windows["char_ends"], strict=True)
    spans = []
    for number, (starts, ends) in enumerate(places, start=1):
        row = owners[number] - rows[0]
        # What the tokenizer drops (blanks, control characters) at the context's own ends is not cut off.
        begin = 0 if owners[number - 1] != owners[number] else starts[starts >= 0][0]
        end = len(batch["context"][row]) if owners[number + 1] != owners[number] else ends.max()
        spans.append(_first_span(batch["answers"][row], starts, ends, begin, end))
    return windows | {"start_positions": [first for first, _ in spans], "end_positions": [last for _, last in spans]}


def _training_windows(batch: dict, rows: list[int], tokenizer, max_length: int, stride: int) -> dict:
    windows = _evaluation_windows(batch, rows, tokenizer, max_length, stride)
    return {name: values for name, values in windows.items() if name not in DECODING_COLUMNS}


def _first_span(answers: dict, starts: np.ndarray, ends: np.ndarray, begin: int, end: int) -> tuple[int, int]:
    """First and last token of the first answer that lies in the characters begin to end, or (0, 0)."""
    for text, start in zip(answers["text"], answers["answer_start"], strict=True):
        start += len(text) - len(text.lstrip())
        stop = start + len(text.strip())
        tokens = np.flatnonzero((starts < stop) & (ends > start))
        if begin <= start and stop <= end and tokens.size:
            return int(tokens[0]), int(tokens[-1])
    return 0, 0
