"""The largest weights (magnitude pruning, MaP): abs(W) is ranked anew at every step while W is trained."""

import torch

from emmental.pruning.masked_linear import MaskedLinear
from emmental.pruning.top_k import TopK


class Magnitude(TopK):
    """Ranks weights in the place of scores."""

    def ranked(self, layer: MaskedLinear) -> torch.Tensor:
        return layer.weight.detach().abs()
