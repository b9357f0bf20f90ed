"""The algebra of empty rows and columns: what never changes goes into a bias, what nobody reads goes away.

Works on the layers of one block and changes no function beyond float rounding. Empty means that all weights of a row
or column are zero. Knows neither masks nor transformers; where the layers are in a model is for others.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional as F


class Affine(NamedTuple):
    """y = weight x + bias. weight: [out, in], bias: [out]. Wherever one is expected, an nn.Linear will do."""

    weight: torch.Tensor
    bias: torch.Tensor

    def rows(self, which: torch.Tensor | slice) -> "Affine":
        """Some of the outputs."""
        return Affine(self.weight[which], self.bias[which])


class Head(NamedTuple):
    """What is left of an attention head. output: the columns of the output layer that read it, [out, dimensions]."""

    query: Affine
    key: Affine
    value: Affine
    output: torch.Tensor


def feed_forward(up: Affine, down: Affine, activation: Callable) -> tuple[Affine, Affine]:
    """down(activation(up(x))) with the units that matter.

    A unit whose row of ``up`` is empty emits activation(b_i) whatever x is: W_down[:, i] activation(b_i) goes into
    down's bias. A unit whose column of ``down`` is empty is read by nobody. One unit stays in any case.
    """
    up, down = Affine(up.weight, up.bias), Affine(down.weight, down.bias)
    constant = empty_rows(up)
    down = _fold(down, constant, activation(up.bias))
    keep = indices(~constant & down.weight.any(0))
    return up.rows(keep), Affine(down.weight[:, keep], down.bias)


def attention(query: Affine, key: Affine, value: Affine, output: Affine, heads: int) -> tuple[list[Head], torch.Tensor]:
    """The heads that matter with the dimensions that matter, and the output's new bias [out].

    * A value dimension whose row is empty is b_v,i at every key, and so, because attention weights sum to one, after
      attention: it goes through the output into its bias. One whose column of the output is empty is read by nobody.
    * A head without value dimensions goes whole. One head stays in any case.
    * A score is the sum over the dimensions of query times key. Where the row of the key is empty, a dimension adds
      the same to the scores of all keys, which the softmax does not see: it goes. Where the row of the query is empty,
      it adds b_q,i k_i(x), which differs from key to key: the dimensions of a head of which this is true become a
      single one, with the query 1 and the key sum_i b_q,i W_k,i. It goes, too, where that sum is empty.
    """
    query, key, value = (Affine(layer.weight, layer.bias) for layer in (query, key, value))
    constant = empty_rows(value)
    output = _fold(output, constant, value.bias)
    keep = ~constant & output.weight.any(0)
    size = keep.numel() // heads
    remaining = []
    for head in indices(keep.view(heads, size).any(1)).tolist():
        own = slice(head * size, (head + 1) * size)
        dimensions = indices(keep[own]) + own.start
        scores = _scores(query.rows(own), key.rows(own))
        remaining.append(Head(*scores, value.rows(dimensions), output.weight[:, dimensions]))
    return remaining, output.bias


def empty_rows(layer: Affine) -> torch.Tensor:
    """Which outputs do not depend on the input: bool [out]."""
    return ~layer.weight.any(1)


def indices(keep: torch.Tensor) -> torch.Tensor:
    """The numbers of what is kept, of the first where that is nothing: no layer becomes empty."""
    return keep.nonzero().squeeze(1) if keep.any() else keep.new_zeros(1, dtype=torch.long)


def drop_rows(weight: torch.Tensor, minimum: int) -> None:
    """Zero the rows that have fewer than ``minimum`` weights. Unlike all else here, this changes the function."""
    weight[weight.count_nonzero(1) < minimum] = 0


def stack(layers: list[Affine], sizes: list[int]) -> Affine:
    """One layer with the outputs of all, those of each filled up with zeros to its size."""
    missing = [size - len(layer.bias) for layer, size in zip(layers, sizes, strict=True)]
    weights = [F.pad(layer.weight, (0, 0, 0, rows)) for layer, rows in zip(layers, missing, strict=True)]
    biases = [F.pad(layer.bias, (0, rows)) for layer, rows in zip(layers, missing, strict=True)]
    return Affine(torch.cat(weights), torch.cat(biases))


def _fold(layer: Affine, constant: torch.Tensor, values: torch.Tensor) -> Affine:
    """The layer with its constant inputs in its bias and zeros in their columns."""
    folded = layer.weight[:, constant].double() @ values[constant].double()
    bias = (layer.bias.double() + folded).to(layer.bias.dtype)
    return Affine(layer.weight.masked_fill(constant, 0), bias)


def _scores(query: Affine, key: Affine) -> tuple[Affine, Affine]:
    """One head's query and key without the dimensions that no score needs; at least one dimension stays."""
    constant = empty_rows(query)
    keep = ~constant & ~empty_rows(key)
    summed = (query.bias[constant].double() @ key.weight[constant].double()).to(key.weight.dtype)
    query, key = query.rows(keep), key.rows(keep)
    if not summed.any() and keep.any():
        return query, key
    one, zero = summed.new_ones(1), summed.new_zeros(1)
    sizes = [len(query.bias), 1]
    return stack([query, Affine(torch.zeros_like(summed)[None], one)], sizes), stack(
        [key, Affine(summed[None], zero)], sizes
    )
