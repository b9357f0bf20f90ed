"""Shrunk models: BERT's blocks with the smaller layers that empty_rows.py leaves of them. RoBERTa, XLM-RoBERTa and
ELECTRA have the same.

The transformers model stays what it is; its attention and the linear layers of its blocks are replaced by name. For
inference: attention has no dropout.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from emmental.common.errors import InputError
from emmental.export import empty_rows

ARCHITECTURES = ("bert", "roberta", "xlm-roberta", "electra")  # config.model_type

# Rows of zeros that add up to this share to a product cost less than moving the results of the others to their places.
FILLING = 0.5


@dataclass(frozen=True)
class BlockShape:
    """The sizes of one block.

    query_key and value: dimensions of each head, at most ``size``; units: of the feed-forward; attention_rows and
    output_rows: outputs that attention.output and output compute, all of them or fewer.
    """

    size: int
    query_key: list[int]
    value: list[int]
    attention_rows: int
    units: int
    output_rows: int


class ScatteredLinear(nn.Module):
    """A linear layer of which many rows are empty: these outputs are their bias. The others are in ``linear``."""

    def __init__(self, inputs: int, outputs: int, rows: int):
        super().__init__()
        self.linear = nn.Linear(inputs, rows, device="meta")
        self.bias = nn.Parameter(torch.empty(outputs, device="meta"), requires_grad=False)
        self.register_buffer("places", torch.empty(rows, dtype=torch.long, device="meta"))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.bias.expand(*input.shape[:-1], -1).index_copy(-1, self.places, self.linear(input))


class ShrunkAttention(nn.Module):
    """Self-attention whose heads have lost dimensions. Layers and their names are those of BERT's.

    Heads are attended to at once and so need one size: smaller ones are filled up with rows of zeros or, where these
    would be many, with zeros after the product.
    """

    def __init__(self, hidden: int, shape: BlockShape, scaling: float):
        super().__init__()
        self.shape, self.scaling = shape, scaling
        self.query, self.key = (nn.Linear(hidden, sum(shape.query_key), device="meta") for _ in range(2))
        self.value = nn.Linear(hidden, sum(shape.value), device="meta")
        self.register_buffer("query_key_at", places(shape.query_key, shape.size), persistent=False)
        self.register_buffer("value_at", places(shape.value, shape.size), persistent=False)

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **_):
        """hidden_states: [batch, length, hidden]; attention_mask: bool (True: attend) or added to the scores, broadcast
        to [batch, heads, length, length]. Returns the values [batch, length, value dimensions], and None."""
        query, key = (self._heads(layer(hidden_states), self.query_key_at) for layer in (self.query, self.key))
        value = self._heads(self.value(hidden_states), self.value_at)
        values = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=self.scaling)
        values = values.transpose(1, 2).flatten(2)
        return values if self.value_at is None else values.index_select(-1, self.value_at), None

    def _heads(self, dimensions: torch.Tensor, places: torch.Tensor | None) -> torch.Tensor:
        batch, length, _ = dimensions.shape
        heads, size = len(self.shape.value), self.shape.size
        if places is not None:
            dimensions = dimensions.new_zeros(batch, length, heads * size).index_copy(-1, places, dimensions)
        return dimensions.view(batch, length, heads, size).transpose(1, 2)


def shrink(model: nn.Module, minimum: int = 0) -> None:
    """Free a folded masked LM of all that its empty rows and columns make superfluous, in place and without loss.

    minimum: rows with fewer weights than this count as empty, too, which is not without loss. Raises InputError for
    other architectures than those with BERT's blocks.
    """
    with torch.no_grad():
        for block in blocks(model):
            attention = block.attention.self
            for layer in (attention.query, attention.key, attention.value, block.intermediate.dense):
                empty_rows.drop_rows(layer.weight, minimum)
            _shrink_feed_forward(block)
            _shrink_attention(block)
    model.to(next(model.parameters()).device)  # the places of dimensions, which are new


def _shrink_feed_forward(block: nn.Module) -> None:
    up, down = block.intermediate.dense, block.output.dense
    up, down = empty_rows.feed_forward(up, down, block.intermediate.intermediate_act_fn)
    block.intermediate.dense, block.output.dense = _linear(up), _output(down)


def _shrink_attention(block: nn.Module) -> None:
    old, output = block.attention.self, block.attention.output.dense
    heads, bias = empty_rows.attention(old.query, old.key, old.value, output, old.num_attention_heads)
    left = [len(head.query.bias) for head in heads], [len(head.value.bias) for head in heads]
    size = max(map(max, left))
    query_key, value = (_filled(dimensions, size) for dimensions in left)
    columns = [F.pad(head.output, (0, kept - head.output.shape[1])) for head, kept in zip(heads, value, strict=True)]
    block.attention.output.dense = _output(empty_rows.Affine(torch.cat(columns, 1), bias))
    shape = BlockShape(
        size,
        query_key,
        value,
        _rows(block.attention.output.dense),
        block.intermediate.dense.out_features,
        _rows(block.output.dense),
    )
    block.attention.self = ShrunkAttention(len(bias), shape, old.scaling)
    for name, dimensions in (("query", query_key), ("key", query_key), ("value", value)):
        layer = empty_rows.stack([getattr(head, name) for head in heads], dimensions)
        setattr(block.attention.self, name, _linear(layer))


def _linear(layer: empty_rows.Affine) -> nn.Linear:
    linear = nn.Linear(*reversed(layer.weight.shape), device="meta")
    linear.weight, linear.bias = (nn.Parameter(tensor.contiguous(), requires_grad=False) for tensor in layer)
    return linear


def _output(layer: empty_rows.Affine) -> nn.Module:
    """The layer, without its empty rows where they are many."""
    outputs, inputs = layer.weight.shape
    places = empty_rows.indices(~empty_rows.empty_rows(layer))
    if outputs <= (1 + FILLING) * len(places):
        return _linear(layer)
    scattered = ScatteredLinear(inputs, outputs, len(places))
    scattered.linear, scattered.places = _linear(layer.rows(places)), places
    scattered.bias = nn.Parameter(layer.bias, requires_grad=False)
    return scattered


def _rows(layer: nn.Module) -> int:
    return len(layer.places) if isinstance(layer, ScatteredLinear) else layer.out_features


def _filled(dimensions: list[int], size: int) -> list[int]:
    """The heads' dimensions with those that are worth filling up with zeros."""
    full = [size] * len(dimensions)
    return full if sum(full) <= (1 + FILLING) * sum(dimensions) else dimensions


def places(dimensions: list[int], size: int) -> torch.Tensor | None:
    """Where the heads' dimensions are when each head has ``size`` of them: int64 [sum]; None: as they are."""
    if set(dimensions) == {size}:
        return None
    return torch.cat([torch.arange(kept) + head * size for head, kept in enumerate(dimensions)])


def resize(model: nn.Module, shapes: list[BlockShape]) -> None:
    """Give a model the blocks of another that was shrunk, without their weights. Raises ValueError where these are not
    smaller."""
    for block, shape in zip(blocks(model), shapes, strict=True):
        hidden, attention = block.output.dense.out_features, block.attention.self
        if not all(0 < kept <= shape.size <= hidden for kept in (*shape.query_key, *shape.value)):
            raise ValueError(f"heads of {shape.size} dimensions do not come from a model of width {hidden}")
        block.attention.self = ShrunkAttention(hidden, shape, attention.scaling)
        block.attention.output.dense = _empty_output(sum(shape.value), hidden, shape.attention_rows)
        block.intermediate.dense = nn.Linear(hidden, shape.units, device="meta")
        block.output.dense = _empty_output(shape.units, hidden, shape.output_rows)


def _empty_output(inputs: int, outputs: int, rows: int) -> nn.Module:
    if rows < outputs:
        return ScatteredLinear(inputs, outputs, rows)
    return nn.Linear(inputs, outputs, device="meta")


def shapes(model: nn.Module) -> list[BlockShape]:
    """The sizes of a shrunk model's blocks."""
    return [block.attention.self.shape for block in blocks(model)]


def blocks(model: nn.Module) -> nn.ModuleList:
    """The repeated blocks of BERT's kind. Raises InputError for other architectures."""
    if model.config.model_type not in ARCHITECTURES or getattr(model.config, "is_decoder", False):
        raise InputError(
            f"{type(model).__name__} cannot be shrunk: only {', '.join(ARCHITECTURES)} models can, whose blocks are "
            f"known, and that read both ways"
        )
    return model.base_model.encoder.layer
