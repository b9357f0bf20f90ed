"""Hard concrete gates (L0 pruning; Louizos et al., 2018): drawn anew for every training step, settled in evaluation."""

import torch

from emmental.pruning import gates
from emmental.pruning.method import Layers, Selection


class HardConcrete(Selection):
    """Gates are drawn by seed and step alone, so that they are the same on all processes and in a resumed run."""

    shift = gates.OPEN_SHIFT
    noisy = True

    def select(self, layers: Layers, threshold: float, step: int) -> None:
        """Draw the step's gates; L0 has no threshold."""
        generator = None
        for layer in layers.values():
            scores = layer.mask_scores
            if generator is None:
                generator = torch.Generator(scores.device).manual_seed((self.seed << 32) + step)
            layer.mask = gates.sampled(scores, generator)

    def settle(self, layers: Layers) -> None:
        """Set the gates that evaluation sees."""
        for layer in layers.values():
            layer.mask = gates.settled(layer.mask_scores)
