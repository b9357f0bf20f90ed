"""The blocks of an encoder, whole or shrunk, as the six products that sparse.py computes each of them by.

There heads have one size and every output is computed. What a shrunk block lacks of that is filled up with empty rows
and columns, which cost a CSR product nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from emmental.export.empty_rows import Affine
from emmental.export.shrunk import ScatteredLinear, places
from emmental.runtime.architectures import parts_of
from emmental.runtime.architectures.parts import BlockParts


class Products(NamedTuple):
    """The layers of a block. value and key have the same number of rows for each of their heads, not of each other."""

    query: Affine
    key: Affine
    value: Affine
    attention_output: Affine
    intermediate: Affine
    output: Affine


def products_of(block: BlockParts) -> Products:
    """A block's products; shares the tensors that need no filling with the block."""
    attention_output, output = _whole(block.attention_output), _whole(block.output)
    layers = block.query, block.key, block.value
    if block.shape is None:
        return Products(*map(_affine, layers), attention_output, _affine(block.intermediate), output)
    query_key, value = block.shape.query_key, block.shape.value
    query, key, value_layer = (_filled(*pair) for pair in zip(layers, (query_key, query_key, value), strict=True))
    attention_output = attention_output._replace(weight=_rows(attention_output.weight.t(), value).t())
    return Products(query, key, value_layer, attention_output, _affine(block.intermediate), output)


def named_products(model: PreTrainedModel) -> Iterator[tuple[str, Affine]]:
    """All products of a model, named like ``3.query``."""
    for number, block in enumerate(parts_of(model).blocks):
        for name, layer in products_of(block)._asdict().items():
            yield f"{number}.{name}", layer


def _affine(layer: nn.Linear) -> Affine:
    return Affine(layer.weight.detach(), layer.bias.detach())


def _whole(layer: nn.Linear | ScatteredLinear) -> Affine:
    """The layer with its empty rows."""
    if isinstance(layer, nn.Linear):
        return _affine(layer)
    weight = layer.linear.weight.new_zeros(len(layer.bias), layer.linear.in_features)
    return Affine(weight.index_copy(0, layer.places, layer.linear.weight), layer.bias.detach())


def _filled(layer: nn.Linear, dimensions: list[int]) -> Affine:
    """The layer of heads of these dimensions with all of them as large as the largest."""
    return Affine(_rows(layer.weight.detach(), dimensions), _rows(layer.bias.detach(), dimensions))


def _rows(tensor: torch.Tensor, dimensions: list[int]) -> torch.Tensor:
    at = places(dimensions, max(dimensions))
    if at is None:
        return tensor
    return tensor.new_zeros(len(dimensions) * max(dimensions), *tensor.shape[1:]).index_copy(0, at, tensor)
