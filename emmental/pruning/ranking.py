"""One ranking over all matrices (``global`` allocation): the highest scores of the whole encoder keep their weight.

Exact and deterministic as the selection of one matrix in selection.py, and like that without a state: nothing of the
encoder's size is sorted, searched or put in a row.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from emmental.common.threads import each
from emmental.pruning import device_selection
from emmental.pruning.selection import SAMPLE_STRIDE, SMALL, start_of_last

# A float32 has a place in the order of all: the bits of its magnitude as an integer, with its sign. Zeros share one.
INFINITY = 0x7F800000


def select_together(scores: Sequence[torch.Tensor], kept: int) -> list[torch.Tensor]:
    """Masks of the ``kept`` highest of all scores; among equal ones the first matrix, then the lowest flat index wins.

    scores: any shapes, float32 without NaN, on one device. kept: 0 … their number. Returns bool tensors of the scores'
    shapes with exactly ``kept`` ones in all. On devices other than the CPU nothing waits for the host.
    """
    size = sum(matrix.numel() for matrix in scores)
    if not 0 <= kept <= size:
        raise ValueError(f"cannot keep {kept} of {size} weights")
    if kept in (0, size):
        return [torch.full_like(matrix, kept > 0, dtype=torch.bool) for matrix in scores]
    flat = [matrix.detach().reshape(-1) for matrix in scores]
    if flat[0].device.type == "cpu":
        masks = [torch.from_numpy(mask) for mask in _select_on_host([part.numpy() for part in flat], kept)]
    else:
        masks = _select_on_device(flat, kept)
    return [mask.view_as(matrix) for mask, matrix in zip(masks, scores, strict=True)]


def _select_on_host(parts: list[np.ndarray], kept: int) -> list[np.ndarray]:
    threshold = kth_highest(parts, kept)
    masks = each(lambda part: part >= threshold, parts)
    surplus = sum(map(np.count_nonzero, masks)) - kept
    for part, mask in zip(reversed(parts), reversed(masks), strict=True):
        tied = (part == threshold) if surplus else mask[:0]
        removed = min(surplus, np.count_nonzero(tied))
        if removed:
            cut = start_of_last(tied, removed)
            mask[cut:] = part[cut:] > threshold
            surplus -= removed
    return masks


def kth_highest(parts: list[np.ndarray], k: int) -> np.floating:
    """The k-th highest value (k from 1) of all vectors together, exact.

    Bisection in the order of floats, each time by a count of what is not lower, until few values are left between the
    bounds. A sorted sample says where to begin: with two counts the bounds are close where it does not mislead. They
    are then moved across their own ties, which no bisection could part.
    """
    sample = np.sort(np.concatenate([part[::SAMPLE_STRIDE] for part in parts]))[::-1]
    size, rank = sum(part.size for part in parts), k // SAMPLE_STRIDE
    margin = int(5 * min(rank, sample.size - rank) ** 0.5) + 2
    below, above = (_place(sample[min(max(at, 0), sample.size - 1)]) for at in (rank + margin, rank - margin))
    probes = [below, above + 1, below + 1, above]
    low, high = -INFINITY, INFINITY + 1  # the answer is at least low and below high
    least, most = 0, size  # how many values are at least high, and at least low
    while high - low > 1 and most - least > max(SMALL, size // 32):
        probe = probes.pop(0) if probes else (low + high) // 2
        if low < probe < high:
            bound = _float(probe)
            count = sum(each(lambda part, bound=bound: np.count_nonzero(part >= bound), parts))
            if count >= k:
                low, most = probe, count
            else:
                high, least = probe, count
    if high - low == 1:
        return _float(low)
    inside = np.concatenate(each(_between(_float(low), _float(high - 1)), parts))
    return np.partition(inside, inside.size - (k - least))[inside.size - (k - least)]


def _between(low: np.floating, high: np.floating) -> Callable[[np.ndarray], np.ndarray]:
    return lambda part: part[(part >= low) & (part <= high)]


def _place(value: np.floating) -> int:
    magnitude = int(np.abs(value).view(np.int32))
    return -magnitude if value < 0 else magnitude


def _float(place: int) -> np.floating:
    magnitude = np.int32(abs(place)).view(np.float32)
    return -magnitude if place < 0 else magnitude


def _select_on_device(flat: list[torch.Tensor], kept: int) -> list[torch.Tensor]:
    return device_selection.select(flat, torch.full((1,), kept, device=flat[0].device))
