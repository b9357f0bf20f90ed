"""What a pruning method does in a step: set the masks of MaskedLinear layers.

What trains them, evaluates and reports is the same for all methods; what is to be said of one is in recipes/methods.py.
"""

from collections.abc import Iterable

import torch

from emmental.pruning.masked_linear import MaskedLinear

Layers = dict[str, MaskedLinear]


class Selection:
    """Base of the methods. allocation: local, soft or global; p: temperature of the soft one; seed: the run's, for
    methods that draw."""

    shift = 0.0  # of the scores in the regulariser
    noisy = False  # whether masks in training are other ones than in evaluation, which ``settle`` sets then

    def __init__(self, allocation: str = "local", p: float = 1.0, seed: int = 0):
        self.allocation, self.p, self.seed = allocation, p, seed

    def select(self, layers: Layers, density: float, step: int) -> None:
        """Set the masks for a step. density: what the schedule says for it."""
        raise NotImplementedError


def on_cpu(layers: Layers) -> bool:
    """Whether the masks are on the CPU, where each matrix is taken by itself; elsewhere all are taken at once."""
    return next(iter(layers.values())).mask.device.type == "cpu"


def set_masks(layers: Layers, masks: Iterable[torch.Tensor]) -> None:
    """Give each layer its mask."""
    for layer, mask in zip(layers.values(), masks, strict=True):
        layer.mask = mask
