"""Texts to compare two forms of a model on."""

import torch
from transformers import PreTrainedTokenizerBase

BATCHES = (2, 8), (1, 1), (5, 25)  # examples and words of the longest
LONGEST = 64  # tokens


def batches(tokenizer: PreTrainedTokenizerBase) -> list[dict[str, torch.Tensor]]:
    """A batch of each of these sizes, as ``batch`` makes it."""
    return [batch(tokenizer, *size) for size in BATCHES]


def batch(tokenizer: PreTrainedTokenizerBase, examples: int, words: int) -> dict[str, torch.Tensor]:
    """Pairs of texts of random words, the last the longest: padding and, where the model has them, both token types."""
    draw = torch.Generator().manual_seed(0)
    counts = [max(1, words * number // examples) for number in range(1, examples + 1)]
    texts = [tokenizer.decode(torch.randint(len(tokenizer), (count,), generator=draw)) for count in counts]
    return dict(tokenizer(texts, texts, truncation=True, max_length=LONGEST, padding=True, return_tensors="pt"))
