"""Scores to masks: exact, deterministic top-k selection and its straight-through gradient.

Knows nothing of layers, schedules or models: a matrix of scores and a number of weights to keep come in,
a mask goes out.
"""

import torch

# Below this size a plain selection costs less than finding a bracket for it.
SMALL = 1 << 15
SAMPLE_STRIDE = 61  # prime, so that the sample does not run along one column of the matrix


def kept_weights(density: float, numel: int) -> int:
    """How many of ``numel`` weights a density in [0, 1] keeps: int(density * numel)."""
    return int(density * numel)


def select(scores: torch.Tensor, kept: int) -> torch.Tensor:
    """Mask of the ``kept`` highest scores; among equal scores the lowest flat index is kept.

    scores: any shape, floating point without NaN. kept: 0 … scores.numel().
    Returns a bool tensor of the scores' shape with exactly ``kept`` ones. No tensor of the matrix's size is sorted.
    """
    if not 0 <= kept <= scores.numel():
        raise ValueError(f"cannot keep {kept} of {scores.numel()} weights")
    if kept in (0, scores.numel()):
        return torch.full_like(scores, kept > 0, dtype=torch.bool)
    flat = scores.detach().reshape(-1)
    threshold = kth_highest(flat, kept)
    mask = flat >= threshold
    surplus = int(mask.sum()) - kept
    if surplus:
        tied = (flat == threshold).nonzero().squeeze(1)
        mask[tied[tied.numel() - surplus :]] = False
    return mask.view_as(scores)


def kth_highest(flat: torch.Tensor, k: int) -> torch.Tensor:
    """The k-th highest value (k from 1) of a vector, exact, as a tensor without dimensions.

    A sorted sample gives two values that very probably enclose the answer; only what lies between them is
    searched. Where the bracket misses, the whole vector is searched: slower, the same result.
    """
    if flat.numel() <= SMALL:
        return _kth_highest_of_all(flat, k)
    low, high = _bracket(flat, k)
    above = int((flat > high).sum())
    if above < k:
        if low == high and k <= above + int((flat == high).sum()):
            return high
        inside = flat[(flat >= low) & (flat <= high)]
        if k <= above + inside.numel():
            return _kth_highest_of_all(inside, k - above)
    return _kth_highest_of_all(flat, k)


def _kth_highest_of_all(flat: torch.Tensor, k: int) -> torch.Tensor:
    return flat.kthvalue(flat.numel() - k + 1).values


def _bracket(flat: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two sampled values that enclose the k-th highest unless the sample is off by five standard deviations."""
    sample = flat[::SAMPLE_STRIDE].sort(descending=True).values
    share = k / flat.numel()
    rank = share * sample.numel()
    margin = 5 * (share * (1 - share) * sample.numel()) ** 0.5 + 2
    last = sample.numel() - 1
    return sample[min(int(rank + margin), last)], sample[max(int(rank - margin), 0)]


class StraightThrough(torch.autograd.Function):
    """W' = W * M, with dL/dS = dL/dW' * W for kept and removed weights alike (SMP, equations 2 and 3).

    scores and weight: [out, in], floating point; mask: [out, in], bool.
    """

    @staticmethod
    def forward(ctx, scores, weight, mask):
        ctx.save_for_backward(weight)
        return weight * mask

    @staticmethod
    def backward(ctx, grad_masked_weight):
        (weight,) = ctx.saved_tensors
        return grad_masked_weight * weight, None, None
