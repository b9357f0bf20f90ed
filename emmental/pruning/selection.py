"""Scores to masks: exact, deterministic top-k selection.

Knows nothing of layers, schedules or models: a matrix of scores and a number of weights to keep come in,
a mask goes out.
"""

import numpy as np
import torch

from emmental.pruning import device_selection

# Below this size a plain selection costs less than finding bounds for it.
SMALL = 1 << 15
SAMPLE_STRIDE = 251  # prime, so that the sample does not run along one column of the matrix


def kept_weights(density: float, numel: int) -> int:
    """How many of ``numel`` weights a density in [0, 1] keeps: int(density * numel)."""
    return int(density * numel)


def select(scores: torch.Tensor, kept: int) -> torch.Tensor:
    """Mask of the ``kept`` highest scores; among equal scores the lowest flat index is kept.

    scores: any shape, float32 without NaN. kept: 0 … scores.numel().
    Returns a bool tensor of the scores' shape with exactly ``kept`` ones. On the CPU no vector of the matrix's size is
    sorted and one thread works; on other devices nothing waits for the host.
    """
    if not 0 <= kept <= scores.numel():
        raise ValueError(f"cannot keep {kept} of {scores.numel()} weights")
    if kept in (0, scores.numel()):
        return torch.full_like(scores, kept > 0, dtype=torch.bool)
    flat = scores.detach().reshape(-1)
    on_cpu = flat.device.type == "cpu"
    mask = torch.from_numpy(_select_on_host(flat.numpy(), kept)) if on_cpu else _select_on_device(flat, kept)
    return mask.view_as(scores)


def _select_on_device(flat: torch.Tensor, kept: int) -> torch.Tensor:
    return device_selection.select([flat], torch.full((1,), kept, device=flat.device))[0]


def _select_on_host(values: np.ndarray, kept: int) -> np.ndarray:
    """A sorted sample guesses the lowest value that is kept, the values above the guess are counted, and by that count
    the sample gives a bound that very probably encloses the answer from the other side: only what lies between the two
    is searched, and the mask of the guess is right everywhere else. Where the sample misleads, the whole vector is
    searched: slower, the same result.
    """
    if values.size <= SMALL:
        return _select_by_partition(values, kept)
    sample = np.sort(values[::SAMPLE_STRIDE])[::-1]
    guess = sample[min(kept // SAMPLE_STRIDE, sample.size - 1)]
    sure = np.count_nonzero(mask := values > guess)
    if kept <= sure:
        bound = _at(sample, np.count_nonzero(sample > guess) - _ranks(sure - kept))
        between = np.flatnonzero(mask & (values < bound))
        sure -= between.size
    else:
        sure = np.count_nonzero(mask := values >= guess)
        if kept <= sure:
            return _without_last_ties(values, guess, mask, sure - kept)
        bound = _at(sample, np.count_nonzero(sample >= guess) + _ranks(kept - sure))
        between = np.flatnonzero(~mask & (values > bound))
    if sure < kept <= sure + between.size:
        mask[between] = _select_on_host(values[between], kept - sure)
        return mask
    mask = values >= bound
    if np.count_nonzero(values > bound) < kept <= (count := np.count_nonzero(mask)):
        return _without_last_ties(values, bound, mask, count - kept)
    return _select_by_partition(values, kept)


def _select_by_partition(values: np.ndarray, kept: int) -> np.ndarray:
    threshold = np.partition(values, values.size - kept)[values.size - kept]
    mask = values >= threshold
    return _without_last_ties(values, threshold, mask, np.count_nonzero(mask) - kept)


def _without_last_ties(values: np.ndarray, threshold: np.floating, mask: np.ndarray, surplus: int) -> np.ndarray:
    """The mask of what is at least the threshold, less the last ``surplus`` of those that equal it."""
    if surplus:
        cut = start_of_last(values == threshold, surplus)
        mask[cut:] = values[cut:] > threshold
    return mask


def start_of_last(tied: np.ndarray, count: int) -> int:
    """The index from which a bool vector holds its last ``count`` ones, by bisection."""
    start, end = 0, tied.size
    while end - start > 1:
        middle = (start + end) // 2
        found = np.count_nonzero(tied[middle:end])
        if found >= count:
            start = middle
        else:
            end, count = middle, count - found
    return start


def _at(sample: np.ndarray, rank: int) -> np.floating:
    """The sample's value at a rank, infinite beyond its ends."""
    if rank < 0:
        return sample.dtype.type(np.inf)
    return sample[rank] if rank < sample.size else sample.dtype.type(-np.inf)


def _ranks(distance: int) -> int:
    """As many ranks of the sample as lie between values ``distance`` ranks apart, and five standard deviations more."""
    expected = distance / SAMPLE_STRIDE
    return int(expected + 5 * expected**0.5) + 2


def above(scores: torch.Tensor, threshold: float, survivors: int) -> torch.Tensor:
    """Mask of the scores whose sigmoid is above the threshold, and of the ``survivors`` highest in any case."""
    return (torch.sigmoid(scores.detach()) > threshold) | select(scores, survivors)
