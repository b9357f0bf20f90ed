"""The pruning methods (SMP; Movement Pruning, Sanh et al., 2020; L0, Louizos et al., 2018): what each makes a mask of.

A method sets the masks of MaskedLinear layers for a step. What trains them, evaluates and reports is the same for all.
"""

import math
from collections.abc import Callable

import torch

from emmental.common.threads import each
from emmental.pruning import allocation, gates, ranking, selection
from emmental.pruning.masked_linear import MaskedLinear
from emmental.pruning.matrices import matrix_type
from emmental.training.config import SMPConfig

SURVIVORS = 0.005  # share of every matrix that no threshold removes

Layers = dict[str, MaskedLinear]


class TopK:
    """The highest scores: SMP over frozen weights, movement pruning (MvP) where the weights are trained as well."""

    learns_scores = True
    by_penalty = False  # whether lambda decides how much remains, and not the density asked for
    shift = 0.0  # of the scores in the regulariser
    noisy = False  # whether masks in training are other ones than in evaluation

    def __init__(self, allocate: Callable[[dict[str, torch.Tensor], float], dict[str, float]]):
        self.allocate = allocate

    def select(self, layers: Layers, density: float, step: int) -> None:
        """Set the masks so that this share of all weights remains."""
        ranked = {name: self.ranked(layer) for name, layer in layers.items()}
        densities = self.allocate(ranked, density)
        each(lambda name: layers[name].select(densities[name], ranked[name]), layers)

    def ranked(self, layer: MaskedLinear) -> torch.Tensor:
        """What decides which weights of a matrix remain."""
        return layer.mask_scores


class TopKOfAll(TopK):
    """The highest scores of all matrices together (global allocation)."""

    def __init__(self):
        super().__init__(allocate=None)

    def select(self, layers: Layers, density: float, step: int) -> None:
        """Set the masks so that this share of all weights remains."""
        ranked = [self.ranked(layer) for layer in layers.values()]
        kept = selection.kept_weights(density, sum(matrix.numel() for matrix in ranked))
        for layer, mask in zip(layers.values(), ranking.select_together(ranked, kept), strict=True):
            layer.mask = mask


class Magnitude(TopK):
    """The largest weights (MaP): abs(W) is ranked anew at every step while W is trained."""

    learns_scores = False

    def ranked(self, layer: MaskedLinear) -> torch.Tensor:
        return layer.weight.detach().abs()


class SigmoidThreshold:
    """The scores whose sigmoid is above a threshold (soft movement pruning, SMvP)."""

    learns_scores = True
    by_penalty = True
    shift = 0.0
    noisy = False

    def select(self, layers: Layers, threshold: float, step: int) -> None:
        """Set the masks for a threshold in [0, 1]; at least 0.5 % of every matrix remains."""
        for layer in layers.values():
            survivors = math.ceil(SURVIVORS * layer.mask_scores.numel())
            layer.mask = selection.above(layer.mask_scores, threshold, survivors)


class HardConcrete:
    """Hard concrete gates (L0): drawn anew for every training step, by seed and step alone; settled in evaluation."""

    learns_scores = True
    by_penalty = True
    shift = gates.OPEN_SHIFT
    noisy = True

    def __init__(self, seed: int):
        self.seed = seed

    def select(self, layers: Layers, threshold: float, step: int) -> None:
        """Draw the step's gates; L0 has no threshold. The same on all processes."""
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


def method_of(config: SMPConfig) -> TopK | SigmoidThreshold | HardConcrete:
    """The method that the flags ask for."""
    if config.pruning_method == "sigmoied_threshold":
        return SigmoidThreshold()
    if config.pruning_method == "l0":
        return HardConcrete(config.seed)
    if config.pruning_method == "magnitude":
        return Magnitude(allocation.local)
    if config.allocation == "global":
        return TopKOfAll()
    if config.allocation == "soft":
        p = config.magnitude_topk_threshold_p
        return TopK(lambda scores, density: allocation.soft(scores, density, p, matrix_type))
    return TopK(allocation.local)
