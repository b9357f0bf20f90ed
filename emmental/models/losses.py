"""What is minimised: the task's own loss and distillation."""

import torch
from torch.nn import functional as F

PADDING_LOGIT = -1e4  # no probability, and finite, so that differences of such logits are zero and not NaN
IGNORED = -100  # the label of a token that does not count, as transformers has it


def label_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits [batch, labels] and int64 labels [batch]."""
    return F.cross_entropy(logits, labels)


def value_loss(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Mean squared error of logits [batch, 1] and float values [batch]."""
    return F.mse_loss(logits.squeeze(-1), values.to(logits.dtype))


def several_loss(logits: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of logits [batch, labels] and a one for each label that fits among zeros, of the same shape;
    mean over both."""
    return F.binary_cross_entropy_with_logits(logits, given.to(logits.dtype))


def span_loss(start: torch.Tensor, end: torch.Tensor, positions: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Mean of the cross-entropies of start and end logits [batch, length] and their int64 positions, each [batch]."""
    return (F.cross_entropy(start, positions[0]) + F.cross_entropy(end, positions[1])) / 2


def uniform_loss(logits: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """Cross-entropy of logits [batch, places] towards all places alike, mean over the batch; the uniform share of
    smoothed labels. real: [batch, places], 0 where a place does not count; None: all do."""
    surprise = -F.log_softmax(logits, dim=-1)
    if real is None:
        return surprise.mean()
    return ((surprise * real).sum(1) / real.sum(1)).mean()


def token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits [batch, length, labels] and int64 labels [batch, length], mean over the tokens that
    count: all but those with IGNORED. At least one must."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def token_distillation(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """T^2 KL(teacher || student) of logits [batch, length, labels], both softened by T, mean over the tokens that count
    by these labels [batch, length]."""
    own, other = (F.log_softmax(logits / temperature, dim=-1) for logits in (student, teacher))
    return temperature**2 * _mean_of_counted((other.exp() * (other - own)).sum(-1), labels)


def token_uniform_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of logits [batch, length, labels] towards all labels alike, mean over the tokens that count by
    these labels [batch, length]."""
    return _mean_of_counted(-F.log_softmax(logits, dim=-1).mean(-1), labels)


def _mean_of_counted(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    counted = labels != IGNORED
    return (values * counted).sum() / counted.sum()


def without_padding(logits: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """Token logits [batch, length] with the padded tokens' share of a softmax brought to zero.

    What is lost on spans then does not depend on what a window was padded to. (The reference code pads all windows to
    one length and counts the padding.)
    """
    return logits if attention_mask is None else logits.masked_fill(attention_mask == 0, PADDING_LOGIT)


def layer_loss(
    student: list[torch.Tensor], teacher: list[torch.Tensor], attention_mask: torch.Tensor | None
) -> torch.Tensor:
    """How far a student's layers [batch, length, hidden] are from a teacher's: the squared difference over the
    teacher's square, both summed over hidden units and real tokens, mean over the layers. 0 where they are the same,
    and about 1 where a layer says nothing; no unit, so that one weight serves encoders of any width."""
    shares = []
    for own, other in zip(student, teacher, strict=True):
        own, other = own.float(), other.float()
        weight = torch.ones_like(own[..., :1]) if attention_mask is None else attention_mask[..., None]
        shares.append((weight * (own - other).square()).sum() / (weight * other.square()).sum())
    return torch.stack(shares).mean()


def distillation(student: torch.Tensor, teacher: torch.Tensor, temperature: float = 2.0) -> torch.Tensor:
    """T^2 KL(teacher || student) of logits [batch, labels], mean over the batch, both softened by T."""
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=-1),
        F.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )


def several_distillation(student: torch.Tensor, teacher: torch.Tensor, temperature: float = 2.0) -> torch.Tensor:
    """T^2 KL(teacher || student) of each label's yes or no by logits [batch, labels], mean over both, softened by T."""
    student, teacher = student / temperature, teacher.to(student.dtype) / temperature
    wanted = teacher.sigmoid()
    surprise, least = (F.binary_cross_entropy_with_logits(logits, wanted) for logits in (student, teacher))
    return temperature**2 * (surprise - least)
