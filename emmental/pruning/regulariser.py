"""What pulls scores down: the regulariser and its gradient."""

from collections.abc import Sequence

import torch


@torch.no_grad()
def add_regulariser(
    scores: Sequence[torch.Tensor], weight: float, gradient_scale: float = 1.0, shift: float = 0.0
) -> torch.Tensor:
    """R: the mean over matrices of the mean of sigmoid(S) (SMP, equation 6), between 0 and 1; of sigmoid(S + shift) for
    L0, whose expected share of open gates that is.

    Adds the gradient of gradient_scale * weight * R to that of every matrix, which must have one. Autograd would keep
    a matrix of sigmoids per matrix of scores for that.
    """
    means = []
    for matrix in scores:
        probability = torch.sigmoid(matrix + shift if shift else matrix)
        means.append(probability.mean())
        pull = gradient_scale * weight / (len(scores) * matrix.numel())
        slope = probability.addcmul_(probability, probability, value=-1)  # p - p^2, in place
        matrix.grad.add_(slope, alpha=pull)
    return torch.stack(means).mean()
