"""MaskedLinear: a linear layer whose frozen weight is multiplied by a learned mask; put in, list, fold out."""

import torch
from torch import nn
from torch.nn import functional as F

from emmental.pruning import at_once
from emmental.pruning.masked_product import MaskedProduct, masked
from emmental.pruning.matrices import encoder_linears
from emmental.pruning.selection import kept_weights, select


class MaskedLinear(nn.Linear):
    """nn.Linear with ``mask_scores`` [out, in] (trained; None where no scores are learned) and ``mask`` [out, in].

    weight and bias keep nn.Linear's names and start frozen. The mask is bool (for L0 pruning gates, floats in [0, 1]),
    starts full, and is set by the pruning method; it is no part of the state dict, because scores, weights and step
    determine it. ``together``: what makes masked weights of several layers at once; None outside training.
    """

    together: at_once.WeightsAtOnce | None = None

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__(in_features, out_features, bias, device, dtype)
        self._add_mask(scores=True)

    @classmethod
    def from_linear(cls, linear: nn.Linear, scores: bool = True) -> "MaskedLinear":
        """The same layer with a mask, and with scores where they are learned. Weight and bias are shared with
        ``linear``, not copied."""
        layer = cls.__new__(cls)
        nn.Module.__init__(layer)
        layer.in_features, layer.out_features = linear.in_features, linear.out_features
        layer.weight, layer.bias = linear.weight, linear.bias
        layer._add_mask(scores)
        return layer

    def _add_mask(self, scores: bool):
        self.requires_grad_(False)
        self.register_parameter("mask_scores", nn.Parameter(torch.zeros_like(self.weight)) if scores else None)
        self.register_buffer("mask", torch.ones_like(self.weight, dtype=torch.bool), persistent=False)

    def select(self, density: float, ranked: torch.Tensor | None = None) -> None:
        """Recompute the mask: the int(density * numel) highest scores, or ``ranked`` values, keep their weight."""
        ranked = self.mask_scores if ranked is None else ranked
        self.mask = select(ranked, kept_weights(density, ranked.numel()))

    def kept(self) -> int:
        """How many weights count: ones of the mask, or gates that are not closed."""
        return int(self.mask.count_nonzero())

    @torch.no_grad()
    def masked_weight(self) -> torch.Tensor:
        """W * M, [out, in], without a gradient."""
        return masked(self.weight, self.mask)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.together is not None and at_once.pays(input):
            weight = self.together.take(self)
            if weight is not None:
                return F.linear(input, weight, self.bias)
        if torch.is_autocast_enabled(input.device.type):
            input = input.to(torch.get_autocast_dtype(input.device.type))
        return MaskedProduct.apply(input, self.mask_scores, self.weight, self.mask, self.bias)


def masked_layers(model: nn.Module) -> dict[str, MaskedLinear]:
    """All MaskedLinear layers by dotted name, in the model's order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, MaskedLinear)}


def swap_in(model: nn.Module, scores: bool = True) -> dict[str, MaskedLinear]:
    """Put a MaskedLinear in the place of every encoder linear and freeze everything but the scores.

    scores: whether there are any; where the mask is not learned by them they would take the weights' memory again.
    Returns the new layers by dotted name. Raises ValueError where the model has no linear layer in a numbered block.
    """
    linears = encoder_linears(model)
    if not linears:
        raise ValueError("the encoder has no linear layers in numbered blocks: nothing to mask")
    model.requires_grad_(False)
    for name, linear in linears.items():
        model.set_submodule(name, MaskedLinear.from_linear(linear, scores))
    return masked_layers(model)


def fold_out(model: nn.Module) -> None:
    """Replace every MaskedLinear by an nn.Linear that holds W * M: same outputs, no trace of masks or scores."""
    for name, layer in masked_layers(model).items():
        linear = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        linear.weight = nn.Parameter(layer.masked_weight().detach(), requires_grad=False)
        linear.bias = layer.bias
        model.set_submodule(name, linear)


def density(layers: dict[str, MaskedLinear]) -> float:
    """Measured share of weights kept over all layers."""
    return sum(layer.kept() for layer in layers.values()) / sum(layer.mask.numel() for layer in layers.values())
