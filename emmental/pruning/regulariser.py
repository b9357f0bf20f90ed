"""What pulls scores down: the regulariser and its gradient."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch


@torch.no_grad()
def add_regulariser(
    scores: Sequence[torch.Tensor], weight: float, gradient_scale: float = 1.0, shift: float = 0.0
) -> torch.Tensor:
    """R: the mean over matrices of the mean of sigmoid(S) (SMP, equation 6), between 0 and 1; of sigmoid(S + shift) for
    L0, whose expected share of open gates that is.

    Adds the gradient of gradient_scale * weight * R to that of every matrix, which must have one. Autograd would keep
    a matrix of sigmoids per matrix of scores for that. Except on the CPU these live at the same time for a moment:
    computed 340 MB for BERT-base, 1.2 GB for BERT-large.
    """
    pulls = _pulls(scores, weight, gradient_scale)
    if scores[0].device.type != "cpu":
        return _of_all_at_once(scores, pulls, shift)
    return torch.stack([_of_one(matrix, pull, shift) for matrix, pull in zip(scores, pulls, strict=True)]).mean()


@contextlib.contextmanager
def regularised_backward(
    scores: Sequence[torch.Tensor], weight: float, gradient_scale: float = 1.0, shift: float = 0.0
) -> Iterator[Callable[[], torch.Tensor]]:
    """While it is open, a backward pass adds the gradient that add_regulariser adds after it, the same bits: to each
    matrix when its own is there, which is then still in the processor's cache. What it gives says R afterwards.

    For the CPU, and for matrices that the backward pass reaches.
    """
    means: dict[torch.Tensor, torch.Tensor] = {}
    pulls = dict(zip(scores, _pulls(scores, weight, gradient_scale), strict=True))

    def add(matrix: torch.Tensor) -> None:
        if matrix not in means:  # layers that blocks share may come more than once where activations are computed anew
            means[matrix] = _of_one(matrix, pulls[matrix], shift)

    hooks = [matrix.register_post_accumulate_grad_hook(add) for matrix in scores]
    try:
        yield lambda: torch.stack([means[matrix] for matrix in scores]).mean()
    finally:
        for hook in hooks:
            hook.remove()


def _pulls(scores: Sequence[torch.Tensor], weight: float, gradient_scale: float) -> list[float]:
    """What the slope of each matrix's sigmoids is multiplied by."""
    return [gradient_scale * weight / (len(scores) * matrix.numel()) for matrix in scores]


@torch.no_grad()
def _of_one(matrix: torch.Tensor, pull: float, shift: float) -> torch.Tensor:
    probability = torch.sigmoid(matrix + shift if shift else matrix)
    mean = probability.mean()
    slope = probability.addcmul_(probability, probability, value=-1)  # p - p^2, in place
    matrix.grad.add_(slope, alpha=pull)
    return mean


@torch.no_grad()
def _of_all_at_once(scores: Sequence[torch.Tensor], pulls: list[float], shift: float) -> torch.Tensor:
    """The same in as many operators for any number of matrices."""
    probabilities = torch._foreach_sigmoid(torch._foreach_add(scores, shift) if shift else scores)
    sums = torch._foreach_norm(probabilities, 1)
    means = torch.stack(torch._foreach_div(sums, [matrix.numel() for matrix in scores]))
    torch._foreach_addcmul_(probabilities, probabilities, probabilities, value=-1)
    torch._foreach_mul_(probabilities, pulls)
    torch._foreach_add_([matrix.grad for matrix in scores], probabilities)
    return means.mean()
