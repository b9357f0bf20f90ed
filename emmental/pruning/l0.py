"""Hard concrete gates (L0 pruning; Louizos et al., 2018): drawn anew for every training step, settled in evaluation."""

from collections.abc import Callable

import torch

from emmental.pruning import gates
from emmental.pruning.method import Layers, Selection, on_cpu, set_masks
from emmental.pruning.stacks import in_stacks


class HardConcrete(Selection):
    """Gates are drawn by seed and step alone, so that they are the same on all processes and in a resumed run."""

    shift = gates.OPEN_SHIFT
    noisy = True

    def select(self, layers: Layers, threshold: float, step: int) -> None:
        """Draw the step's gates; L0 has no threshold."""
        device = next(iter(layers.values())).mask_scores.device
        generator = torch.Generator(device).manual_seed((self.seed << 32) + step)
        self._set(layers, lambda scores: gates.sampled(scores, generator))

    def settle(self, layers: Layers) -> None:
        """Set the gates that evaluation sees."""
        self._set(layers, gates.settled)

    @torch.no_grad()
    def _set(self, layers: Layers, gates_of: Callable[[torch.Tensor], torch.Tensor]) -> None:
        scores = [layer.mask_scores for layer in layers.values()]
        set_masks(layers, map(gates_of, scores) if on_cpu(layers) else in_stacks(gates_of, scores))
