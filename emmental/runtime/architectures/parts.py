"""What the sparse runtime needs of a masked LM, under the same names for every architecture.

Blocks are computed with normalisation after each of the two residual sums, as the first transformers were.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from emmental.export.shrunk import BlockShape, ScatteredLinear


class BlockParts(NamedTuple):
    """The modules of a block. shape: what it was shrunk to, or None; heads: those that are left."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_output: nn.Linear | ScatteredLinear
    attention_norm: nn.LayerNorm
    intermediate: nn.Linear
    activation: Callable
    output: nn.Linear | ScatteredLinear
    output_norm: nn.LayerNorm
    heads: int
    scaling: float
    shape: BlockShape | None = None


class EncoderParts(NamedTuple):
    """A masked LM. embeddings: from input_ids and token_type_ids (or None), int64 [batch, length], to [batch, length,
    hidden]; head: from [tokens, hidden] to [tokens, words]."""

    embeddings: nn.Module
    blocks: list[BlockParts]
    head: nn.Module
