"""The masked weights of many layers, made at once: for devices that take longer to be told than to compute.

What is computed is what masked_product.py computes layer by layer.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn

from emmental.pruning import gates
from emmental.pruning.matrices import block_name
from emmental.pruning.stacks import in_stacks


class WeightsAtOnce:
    """W * M of several MaskedLinear layers, [out, in] each, in autocast's type or else the weights'.

    The layer that is computed first makes them for all, and each takes its own once: none is older than its mask. The
    backward pass needs them. Until then they are kept, as fine-tuning under autocast keeps its copies of the weights:
    in half precision computed 170 MB for BERT-base and 604 MB for BERT-large, else twice that; and as much again for
    their gradients, where the layers are all of the model.
    """

    def __init__(self, layers: Sequence[nn.Module]):
        self.layers = layers
        self.first: nn.Module | None = None
        self.made: dict[nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}

    def take(self, layer: nn.Module) -> torch.Tensor | None:
        """The masked weight of a layer, for one use; None for a second use (DeBERTa computes some layers twice)."""
        if layer is self.first or not self.made:
            self.first, self.made = layer, self._make()
        weight, mask = self.made.pop(layer, (None, None))
        return weight if mask is layer.mask else None

    def _make(self) -> dict[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
        scores = [layer.mask_scores for layer in self.layers]
        weights = [layer.weight for layer in self.layers]
        masks = [layer.mask for layer in self.layers]
        device = weights[0].device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weights[0].dtype
        made = MaskedWeights.apply(dtype, masks, *scores, *weights)
        return dict(zip(self.layers, zip(made, masks, strict=True), strict=True))


@contextlib.contextmanager
def joined(layers: Mapping[str, nn.Module], by_block: bool) -> Iterator[None]:
    """While it is open, MaskedLinear layers, by dotted name, make their weights together. Not for longer: layers that
    know of each other are not freed with the last that knows of them.

    by_block: those of one block, and not all. Where activations are computed anew for the backward pass, a block comes
    without the others; and processes that train together exchange a block's gradients while the next one computes.
    """
    groups = defaultdict(list)
    for name, layer in layers.items():
        groups[block_name(name) if by_block else ""].append(layer)
    for group in groups.values():
        weights = WeightsAtOnce(group)
        for layer in group:
            layer.together = weights
    try:
        yield
    finally:
        for layer in layers.values():
            layer.together = None


def pays(input: torch.Tensor) -> bool:
    """Whether a layer's weight is to be made with others': in training, on a device other than the CPU. Where
    nothing is kept for a backward pass, a layer alone takes less memory; a compiler joins what it can by itself."""
    return input.device.type != "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling()


class MaskedWeights(torch.autograd.Function):
    """W * M of all these matrices in ``dtype``, with the gradients of MaskedProduct: dL/dS = dL/d(W * M) * W, times the
    slope of gates; dL/dW = dL/d(W * M) * M. In a few kernels for any number of matrices, except for gates' slope.

    masks: all bool, or all gates. Then come the scores (or None), and then as many weights, which have one type.
    """

    @staticmethod
    def forward(ctx, dtype, masks, *scores_and_weights):
        count = len(masks)
        weights = scores_and_weights[count:]
        made = _masked(weights, masks, dtype)
        of_scores, of_weights = ctx.needs_input_grad[2 : 2 + count], ctx.needs_input_grad[2 + count :]
        frozen = [w for w, *needed in zip(made, of_scores, of_weights, strict=True) if not any(needed)]
        ctx.mark_non_differentiable(*frozen)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*weights, *masks)
        return tuple(made)

    @staticmethod
    def backward(ctx, *grads):
        count = len(grads)
        used = [number for number, grad in enumerate(grads) if grad is not None]
        saved = ctx.saved_tensors
        weights, masks = ([saved[start + number] for number in used] for start in (0, count))
        products = _of_type([grads[number] for number in used], weights[0].dtype)  # dL/d(W * M)
        given: list[torch.Tensor | None] = [None] * (2 * count)
        of_scores, of_weights = ctx.needs_input_grad[2 : 2 + count], ctx.needs_input_grad[2 + count :]
        if any(of_scores):
            of_used = torch._foreach_mul(products, weights)
            if masks[0].is_floating_point():
                torch._foreach_mul_(of_used, in_stacks(gates.slope, masks))
            for number, grad in zip(used, of_used, strict=True):
                given[number] = grad
        if any(of_weights):
            for number, grad in zip(used, _masked(products, masks, weights[0].dtype), strict=True):
                given[count + number] = grad
        return None, None, *given


def _masked(matrices: Sequence[torch.Tensor], masks: Sequence[torch.Tensor], dtype: torch.dtype) -> list[torch.Tensor]:
    """Matrices times masks, rounded once; operators that are given one type at a time take few kernels."""
    if masks[0].is_floating_point():
        return _of_type(torch._foreach_mul(matrices, masks), dtype)
    kept = _of_type(masks, dtype)
    torch._foreach_mul_(kept, _of_type(matrices, dtype))
    return kept


def _of_type(matrices: Sequence[torch.Tensor], dtype: torch.dtype) -> Sequence[torch.Tensor]:
    """The matrices where they have this type, else copies."""
    if matrices[0].dtype == dtype:
        return matrices
    copies = [torch.empty_like(matrix, dtype=dtype) for matrix in matrices]
    torch._foreach_copy_(copies, matrices)
    return copies
