"""The small parameters of an encoder's blocks: the weights and biases of its normalisations, the biases of its linear
layers. Masks leave them alone; they may be trained beside one.

A vector is any parameter of one dimension with a layer number in its dotted name. MiniLM has 29,952 of these numbers,
BERT-base 119,808: below 0.3 % of what its matrices have.
"""

from collections.abc import Mapping

import torch
from torch import nn

from emmental.pruning.matrices import LAYER_NUMBER

Vectors = dict[str, torch.Tensor]


def encoder_vectors(model: nn.Module) -> dict[str, nn.Parameter]:
    """The vectors of the repeated blocks by dotted name: not those of embeddings, pooler or head."""
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 1 and LAYER_NUMBER.search(name)
    }


def trained_vectors(model: nn.Module) -> Vectors:
    """A copy of the vectors that are trained, float32 [size] on the CPU, by dotted name."""
    return {
        name: vector.detach().cpu().clone() for name, vector in encoder_vectors(model).items() if vector.requires_grad
    }


def put_vectors(vectors: Mapping[str, torch.Tensor], model: nn.Module) -> None:
    """Give the model these vectors in the place of its own, by dotted name and of the same shapes."""
    own = encoder_vectors(model)
    with torch.no_grad():
        for name, vector in vectors.items():
            own[name].copy_(vector)
