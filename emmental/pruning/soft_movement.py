"""The scores whose sigmoid is above a threshold (soft movement pruning, SMvP; Sanh et al., 2020)."""

import math

from emmental.pruning.method import Layers, Selection
from emmental.pruning.selection import above

SURVIVORS = 0.005  # share of every matrix that no threshold removes


class SigmoidThreshold(Selection):
    """How much remains follows from the scores, which the regulariser pulls down."""

    def select(self, layers: Layers, threshold: float, step: int) -> None:
        """Set the masks for a threshold in [0, 1]; at least 0.5 % of every matrix remains."""
        for layer in layers.values():
            survivors = math.ceil(SURVIVORS * layer.mask_scores.numel())
            layer.mask = above(layer.mask_scores, threshold, survivors)
