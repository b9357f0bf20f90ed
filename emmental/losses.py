"""What is minimised beside the task's own loss: the score regulariser and distillation."""

from collections.abc import Iterable

import torch
from torch.nn import functional as F


def task_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits [batch, labels] and int64 labels [batch]; mean squared error for a single logit."""
    if logits.shape[-1] == 1:
        return F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def score_regulariser(scores: Iterable[torch.Tensor]) -> torch.Tensor:
    """R: the mean over matrices of the mean of sigmoid(S) (SMP, equation 6), between 0 and 1."""
    return torch.stack([torch.sigmoid(matrix).mean() for matrix in scores]).mean()


def distillation(student: torch.Tensor, teacher: torch.Tensor, temperature: float = 2.0) -> torch.Tensor:
    """T^2 KL(teacher || student) of logits [batch, labels], mean over the batch, both softened by T."""
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
