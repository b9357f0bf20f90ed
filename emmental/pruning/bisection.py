"""Selection in many matrices at once on any device, in plain torch: nothing waits for the host.

A float32 has a place in the order of all, an int32. The place of each threshold is bisected, those of all matrices of a
shape at once, and always to the end: 32 times whatever the values are.

Extra memory, computed: up to 16 bytes per weight of one stack, 0.5 GB for BERT-base's 28 M weights of a shape and
1.6 GB for BERT-large's 101 M; of the whole encoder where all matrices are ranked together, 1.4 GB and 4.8 GB.
"""

from collections.abc import Sequence

import torch

from emmental.pruning.stacks import by_shape, upload

LOWEST = -(1 << 31)  # of all int32


def select(scores: Sequence[torch.Tensor], kept: torch.Tensor) -> list[torch.Tensor]:
    """Masks of the highest scores; see device_selection.py."""
    if kept.numel() < len(scores):
        row = torch.cat([matrix.flatten() for matrix in scores])
        parts = _select_rows(row[None], kept)[0].split([matrix.numel() for matrix in scores])
        return [part.view_as(matrix) for part, matrix in zip(parts, scores, strict=True)]
    masks: list = [None] * len(scores)
    for numbers in by_shape(scores):
        stack = torch.stack([scores[number] for number in numbers])
        rows = _select_rows(stack.flatten(1), kept[upload(numbers, kept.device)])
        for number, mask in zip(numbers, rows.view_as(stack).unbind(), strict=True):
            masks[number] = mask
    return masks


def _select_rows(scores: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Mask [rows, columns] of the ``kept[row]`` highest scores of each row; equal ones by column. Scores become
    places."""
    places, kept = places_(scores), kept[:, None]
    threshold = kth_highest(places, kept)
    mask, tied = places > threshold, places == threshold
    room = kept - mask.sum(1, keepdim=True)
    # int32: running counts of floats are not repeatable on CUDA, int64 would take twice the memory
    return mask.logical_or_(tied.logical_and_(tied.cumsum(1, dtype=torch.int32) <= room))


def places_(scores: torch.Tensor) -> torch.Tensor:
    """Integers in the order of the scores, in their memory; both zeros are one."""
    bits = scores.view(torch.int32)
    bits.masked_fill_(bits == LOWEST, 0)  # -0.0
    return bits.bitwise_xor_((bits >> 31).bitwise_and_(0x7FFFFFFF))


def kth_highest(places: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """[rows, 1]: the highest place that at least ``kept`` [rows, 1] of the row's are not below, bit after bit."""
    threshold = torch.full_like(kept, LOWEST, dtype=torch.int32)
    for bit in (LOWEST, *(1 << number for number in reversed(range(31)))):
        probe = threshold ^ bit
        threshold = probe.where((places >= probe).sum(1, keepdim=True) >= kept, threshold)
    return threshold
