"""Hard concrete gates (Louizos et al., 2018), the masks of L0 pruning: numbers in [0, 1], many of them exactly 0 or 1.

Scores are the logits of a stretched, clamped sigmoid: with noise in training, without it in evaluation.
"""

import math

import torch

LOW, HIGH = -0.1, 1.1  # what the sigmoid is stretched to before it is clamped
TEMPERATURE = 2 / 3
OPEN_SHIFT = -TEMPERATURE * math.log(-LOW / HIGH)  # P(gate > 0) = sigmoid(S + OPEN_SHIFT)


def sampled(scores: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Gates of the scores' shape, drawn for one training step."""
    noise = torch.rand(scores.shape, generator=generator, device=scores.device, dtype=scores.dtype).logit()
    return _stretched(torch.sigmoid((noise + scores.detach()) / TEMPERATURE))


def settled(scores: torch.Tensor) -> torch.Tensor:
    """Gates without noise, as they count in evaluation and in what a run leaves."""
    return _stretched(torch.sigmoid(scores.detach()))


def slope(gates: torch.Tensor) -> torch.Tensor:
    """d gate / d score of sampled gates: 0 where they are clamped."""
    probability = (gates - LOW) / (HIGH - LOW)
    within = (gates > 0) & (gates < 1)
    return (HIGH - LOW) / TEMPERATURE * probability * (1 - probability) * within


def _stretched(probability: torch.Tensor) -> torch.Tensor:
    return (probability * (HIGH - LOW) + LOW).clamp_(0, 1)
