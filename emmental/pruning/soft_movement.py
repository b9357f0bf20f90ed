"""The scores whose sigmoid is above a threshold (soft movement pruning, SMvP; Sanh et al., 2020)."""

import math

import torch

from emmental.pruning import device_selection
from emmental.pruning.method import Layers, Selection, on_cpu, set_masks
from emmental.pruning.selection import above
from emmental.pruning.stacks import in_stacks, upload

SURVIVORS = 0.005  # share of every matrix that no threshold removes


class SigmoidThreshold(Selection):
    """How much remains follows from the scores, which the regulariser pulls down."""

    def select(self, layers: Layers, threshold: float, step: int) -> None:
        """Set the masks for a threshold in [0, 1]; at least 0.5 % of every matrix remains."""
        scores = [layer.mask_scores for layer in layers.values()]
        survivors = [math.ceil(SURVIVORS * matrix.numel()) for matrix in scores]
        if on_cpu(layers):
            set_masks(layers, (above(matrix, threshold, kept) for matrix, kept in zip(scores, survivors, strict=True)))
        else:
            set_masks(layers, _above_on_device(scores, threshold, survivors))


@torch.no_grad()
def _above_on_device(scores: list[torch.Tensor], threshold: float, survivors: list[int]) -> list[torch.Tensor]:
    highest = device_selection.select(scores, upload(survivors, scores[0].device))
    passing = in_stacks(lambda stack: torch.sigmoid(stack) > threshold, scores)
    return torch._foreach_add(passing, highest)  # of bools the sum is "or"
