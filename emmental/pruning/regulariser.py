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
    a matrix of sigmoids per matrix of scores for that. Except on the CPU these live at the same time for a moment:
    computed 340 MB for BERT-base, 1.2 GB for BERT-large.
    """
    pulls = [gradient_scale * weight / (len(scores) * matrix.numel()) for matrix in scores]
    if scores[0].device.type != "cpu":
        return _of_all_at_once(scores, pulls, shift)
    means = []
    for matrix, pull in zip(scores, pulls, strict=True):
        probability = torch.sigmoid(matrix + shift if shift else matrix)
        means.append(probability.mean())
        slope = probability.addcmul_(probability, probability, value=-1)  # p - p^2, in place
        matrix.grad.add_(slope, alpha=pull)
    return torch.stack(means).mean()


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
