"""Lengths of tokenised examples, and padded batches of similar ones for models that only answer."""

from collections.abc import Iterator, Mapping

import numpy as np
from datasets import Dataset
from transformers import BatchEncoding, DataCollatorWithPadding, PreTrainedTokenizerBase

BATCH = 64


def lengths(features: Dataset) -> list[int]:
    """Tokens of each row."""
    parts = features.select_columns(["input_ids"]).iter(1000)  # all tokens at once would fill the memory
    return [len(ids) for part in parts for ids in part["input_ids"]]


def shortest_first(features: Dataset) -> Dataset:
    """The same rows in an order that pads batches little, for metrics that know no order."""
    return features.select(order_of_lengths(features))


def order_of_lengths(features: Dataset) -> np.ndarray:
    """The numbers of the rows (int64 [rows]), the shortest first: the order that ``shortest_first`` brings them in."""
    return np.argsort(lengths(features), kind="stable")


def by_length(features: Dataset, tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[np.ndarray, BatchEncoding]]:
    """Rows of ``features`` (int64 [batch]) and their padded model inputs (int64 tensors [batch, longest of the batch]),
    each row once, the shortest first. Other columns of the unpadded ``features`` are left away."""
    names = [name for name in tokenizer.model_input_names if name in features.column_names]
    inputs, pad = features.select_columns(names), DataCollatorWithPadding(tokenizer)
    for rows in similar(lengths(features)):
        yield rows, pad(inputs[rows])


def lists_by_length(
    features: Mapping[str, list], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[np.ndarray, BatchEncoding]]:
    """As by_length, of features in memory: a list for each name."""
    inputs = {name: features[name] for name in tokenizer.model_input_names if name in features}
    pad = DataCollatorWithPadding(tokenizer)
    for rows in similar([len(ids) for ids in inputs["input_ids"]]):
        yield rows, pad({name: [values[row] for row in rows] for name, values in inputs.items()})


def similar(lengths: list[int]) -> Iterator[np.ndarray]:
    """Numbers of rows of these lengths (int64 [batch]), batch by batch, each once, the shortest first: padding is
    computed like text."""
    order = np.argsort(lengths, kind="stable")
    for first in range(0, len(order), BATCH):
        yield order[first : first + BATCH]
