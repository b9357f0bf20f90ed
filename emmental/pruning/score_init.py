"""Where scores start."""

import math

import torch
from torch import nn

from emmental.pruning.masked_linear import MaskedLinear


@torch.no_grad()
def init_scores(
    layers: dict[str, MaskedLinear], method: str, scale: float, norms: dict[str, torch.Tensor] | None = None
) -> None:
    """Fill the scores, where there are any. ``constant``: all equal to scale; ``uniform``: in [-scale, scale];
    ``kaiming``: He's uniform.

    ``magnitude``: scale * abs(W) / std(W), so that the mask starts as magnitude pruning would choose it. ``wanda``:
    scale * abs(W) * norms over the root of its mean square, as Wanda would (Sun et al., ICLR 2024), but one ranking for
    the whole matrix; norms: of each input, float32 [in] by layer.
    """
    for name, layer in layers.items():
        scores = layer.mask_scores
        if scores is None:
            continue
        if method == "constant":
            scores.fill_(scale)
        elif method == "uniform":
            scores.uniform_(-scale, scale)
        elif method == "kaiming":
            nn.init.kaiming_uniform_(scores, a=math.sqrt(5))
        elif method == "magnitude":
            scores.copy_(scale * layer.weight.abs() / layer.weight.std())
        elif method == "wanda":
            felt = layer.weight.abs() * norms[name].to(layer.weight.device)
            scores.copy_(scale * felt / felt.square().mean().sqrt())
        else:
            raise ValueError(f"unknown score init {method!r}")
