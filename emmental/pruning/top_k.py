"""The highest scores: SMP over frozen weights (Jiang et al., 2023), movement pruning where the weights are trained as
well (MvP; Sanh et al., 2020)."""

import torch

from emmental.common.threads import each
from emmental.pruning import allocation, device_selection, ranking
from emmental.pruning.matrices import matrix_type
from emmental.pruning.method import Layers, Selection, on_cpu, set_masks
from emmental.pruning.selection import kept_weights


class TopK(Selection):
    """What remains of each matrix is decided by an allocation, local or soft; global ranks all matrices together."""

    def select(self, layers: Layers, density: float, step: int) -> None:
        """Set the masks so that this share of all weights remains."""
        ranked = dict(zip(layers, self.ranked(layers), strict=True))
        if self.allocation == "global":
            kept = kept_weights(density, sum(matrix.numel() for matrix in ranked.values()))
            set_masks(layers, ranking.select_together([*ranked.values()], kept))
        elif on_cpu(layers):
            densities = self._densities(ranked, density)
            each(lambda name: layers[name].select(densities[name], ranked[name]), layers)
        else:
            set_masks(layers, device_selection.select([*ranked.values()], self._kept(ranked, density)))

    def ranked(self, layers: Layers) -> list[torch.Tensor]:
        """What decides which weights of the matrices remain, [out, in] each."""
        return [layer.mask_scores for layer in layers.values()]

    def _densities(self, ranked: dict[str, torch.Tensor], density: float) -> dict[str, float]:
        if self.allocation == "soft":
            return allocation.soft(ranked, density, self.p, matrix_type)
        return allocation.local(ranked, density)

    def _kept(self, ranked: dict[str, torch.Tensor], density: float) -> torch.Tensor:
        """How many weights of each matrix remain, int64 [matrices] on their device."""
        if self.allocation == "soft":
            return allocation.soft_kept(ranked, density, self.p, matrix_type)
        return allocation.local_kept(ranked, density)
