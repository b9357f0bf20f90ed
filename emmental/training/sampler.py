"""The order of training examples: optimiser steps of similar lengths, in an order that is random and repeatable."""

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback

POOL = 50  # steps whose examples are sorted by length among each other


class SimilarLengths(Sampler[int]):
    """Rows of a data set, so arranged that each ``block`` of consecutive ones has similar lengths.

    lengths: tokens of each row; block: examples of an optimiser step over all processes and micro-batches. The blocks
    come in random order: transformers' own sampler brings the longest of a pool first and the shortest last, and masks
    follow such a drift, which cost SQuAD half of its F1 in a short run. The order is a function of seed and epoch.
    """

    def __init__(self, lengths: list[int], block: int, seed: int):
        self.lengths, self.block, self.seed, self.epoch = lengths, block, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self):
        draw = torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)
        rows = torch.randperm(len(self.lengths), generator=draw).tolist()
        whole = len(rows) - len(rows) % self.block
        rows, rest = rows[:whole], rows[whole:]  # an epoch ends with the step that is not full
        size = POOL * self.block
        pools = [sorted(rows[first : first + size], key=self.lengths.__getitem__) for first in range(0, whole, size)]
        blocks = [pool[first : first + self.block] for pool in pools for first in range(0, len(pool), self.block)]
        for number in torch.randperm(len(blocks), generator=draw).tolist():
            yield from blocks[number]
        yield from rest


class OrderByEpoch(TrainerCallback):
    """Tells the sampler its epoch, so that a run resumed in any epoch meets the examples that it would have met."""

    def __init__(self, sampler: SimilarLengths):
        self.sampler = sampler

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.sampler.epoch = int(state.epoch or 0)
