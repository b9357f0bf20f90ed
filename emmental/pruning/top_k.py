"""The highest scores: SMP over frozen weights (Jiang et al., 2023), movement pruning where the weights are trained as
well (MvP; Sanh et al., 2020)."""

import torch

from emmental.common.threads import each
from emmental.pruning import allocation, ranking
from emmental.pruning.masked_linear import MaskedLinear
from emmental.pruning.matrices import matrix_type
from emmental.pruning.method import Layers, Selection
from emmental.pruning.selection import kept_weights


class TopK(Selection):
    """What remains of each matrix is decided by an allocation, local or soft; global ranks all matrices together."""

    def select(self, layers: Layers, density: float, step: int) -> None:
        """Set the masks so that this share of all weights remains."""
        ranked = {name: self.ranked(layer) for name, layer in layers.items()}
        if self.allocation == "global":
            kept = kept_weights(density, sum(matrix.numel() for matrix in ranked.values()))
            for layer, mask in zip(layers.values(), ranking.select_together([*ranked.values()], kept), strict=True):
                layer.mask = mask
        else:
            densities = self._densities(ranked, density)
            each(lambda name: layers[name].select(densities[name], ranked[name]), layers)

    def ranked(self, layer: MaskedLinear) -> torch.Tensor:
        """What decides which weights of a matrix remain, [out, in]."""
        return layer.mask_scores

    def _densities(self, ranked: dict[str, torch.Tensor], density: float) -> dict[str, float]:
        if self.allocation == "soft":
            return allocation.soft(ranked, density, self.p, matrix_type)
        return allocation.local(ranked, density)
