"""The largest weights (magnitude pruning, MaP): abs(W) is ranked anew at every step while W is trained."""

import torch

from emmental.pruning.method import Layers
from emmental.pruning.top_k import TopK


class Magnitude(TopK):
    """Ranks weights in the place of scores."""

    @torch.no_grad()
    def ranked(self, layers: Layers) -> list[torch.Tensor]:
        return torch._foreach_abs([layer.weight for layer in layers.values()])
