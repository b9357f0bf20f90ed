"""Encoders for sparse weights on a CPU: their blocks feature-major and without padding.

A sparse matrix is multiplied with many tokens at a time, so activations are [hidden, tokens] from the embeddings to
the head and are never turned round. Only real tokens are computed: sequences stand side by side, in
groups small enough for the processor's cache. Embeddings and head are the model's own modules. Inference only; where a
model's parts are is for architectures/ to say, which products are worth being sparse for choose.py.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from emmental.export.empty_rows import Affine
from emmental.runtime.architectures import parts_of
from emmental.runtime.architectures.parts import BlockParts
from emmental.runtime.multiply import SparseProduct
from emmental.runtime.products import products_of

GROUP_TOKENS = 256  # sequences that go through the encoder together; a longer one goes alone
CACHED_SCORES = 2**18  # attention scores (1 MB) that are computed at a time


class Block(nn.Module):
    """One layer of the encoder, of these parts of the model's own.

    product: as of SparseMaskedLM, by the name in products.Products alone.
    """

    def __init__(self, parts: BlockParts, product: Callable[[str, Affine], nn.Module]):
        super().__init__()
        for name, layer in products_of(parts)._asdict().items():
            setattr(self, name, product(name, layer))
        self.heads, self.scaling = parts.heads, parts.scaling
        self.attention_norm = parts.attention_norm
        self.activation = parts.activation
        self.output_norm = parts.output_norm

    def forward(self, x: torch.Tensor, lengths: list[int], first_only: bool = False) -> torch.Tensor:
        """x [hidden, tokens]: sequences of these lengths side by side. Returns the same shape, or with first_only
        what becomes of each sequence's first token: [hidden, sequences]."""
        key, value, asked = self.key(x), self.value(x), lengths
        if first_only:
            x, asked = x[:, torch.tensor([0, *lengths[:-1]]).cumsum(0)], [1] * len(lengths)
        query = self.query(x).mul_(self.scaling)
        x = normalised(self.attention_output(self._attend(query, key, value, asked, lengths), x), self.attention_norm)
        return normalised(self.output(self.activation(self.intermediate(x)), x), self.output_norm)

    def _attend(self, query, key, value, asked: list[int], lengths: list[int]) -> torch.Tensor:
        """Every sequence's queries [size, sum(asked)] on its own keys and values [size, sum(lengths)]."""
        query, key, value = (x.unflatten(0, (self.heads, -1)) for x in (query, key, value))
        parts = zip(query.split(asked, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True)
        contexts = [attention(*part) for part in parts]
        return (contexts[0] if len(contexts) == 1 else torch.cat(contexts, 2)).flatten(0, 1)


class SparseMaskedLM(nn.Module):
    """The sparse form of a folded masked LM of a known architecture, whole or shrunk. Shares all tensors it can.

    product: from a product's name (see products.named_products) and its layer to what computes it, see multiply.py; by
    default a sparse one.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        product: Callable[[str, Affine], nn.Module] = lambda name, layer: SparseProduct(*layer),
    ):
        super().__init__()
        self.embeddings, blocks, self.head = parts_of(model)
        self.blocks = nn.ModuleList(
            Block(block, lambda name, layer, number=number: product(f"{number}.{name}", layer))
            for number, block in enumerate(blocks)
        )

    @torch.inference_mode()
    def forward(self, input_ids, attention_mask=None, token_type_ids=None, first_only: bool = False) -> torch.Tensor:
        """As of models.forms; logits at padding are 0. first_only: the last layer computes first tokens alone, too."""
        real = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        answers = [None] * len(real)
        for rows in grouped(real.sum(1).tolist(), GROUP_TOKENS):
            length = int(real[rows].any(0).nonzero().max()) + 1
            inputs = [x if x is None else x[rows, :length] for x in (input_ids, token_type_ids)]
            for row, answer in zip(rows, self._answers(*inputs, real[rows, :length], first_only), strict=True):
                answers[row] = answer
        answers = torch.cat(answers)
        if first_only:
            return answers[:, None]
        logits = answers.new_zeros(*real.shape, answers.shape[1])
        logits[real] = answers
        return logits

    def _answers(self, input_ids, token_type_ids, real, first_only: bool) -> tuple[torch.Tensor, ...]:
        """The logits [tokens, words] of each sequence's real tokens, or of its first one."""
        lengths = real.sum(1).tolist()
        x = self.embeddings(input_ids, token_type_ids)[real].t().contiguous()
        for block in self.blocks[:-1]:
            x = block(x, lengths)
        x = self.blocks[-1](x, lengths, first_only)
        return self.head(x.t()).split([1] * len(lengths) if first_only else lengths)


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attention of one sequence: query (scaled) [heads, size, asked], key and value [heads, size, length].

    As many heads at a time as their scores stay in the cache. Returns [heads, size, asked].
    """
    heads = max(1, CACHED_SCORES // (query.shape[2] * key.shape[2]))
    parts = zip(query.split(heads), key.split(heads), value.split(heads), strict=True)
    contexts = [torch.bmm(v, torch.bmm(q.transpose(1, 2), k).softmax(-1).transpose(1, 2)) for q, k, v in parts]
    return contexts[0] if len(contexts) == 1 else torch.cat(contexts)


def normalised(x: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    """LayerNorm of every column of x [hidden, tokens].

    Batch normalisation of a batch of ``hidden`` examples with ``tokens`` channels computes just that, without turning
    x round and twice as fast.
    """
    z = F.batch_norm(x, None, None, training=True, eps=norm.eps)
    return torch.addcmul(norm.bias[:, None], z, norm.weight[:, None])


def grouped(lengths: list[int], tokens: int) -> list[list[int]]:
    """Numbers of the sequences, those of like length together, in groups of at most so many tokens or of one."""
    groups, room = [], 0
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if lengths[number] > room:
            groups.append([])
            room = max(tokens, lengths[number])
        groups[-1].append(number)
        room -= lengths[number]
    return [sorted(group) for group in groups]
