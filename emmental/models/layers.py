"""The repeated blocks of an encoder, and what each of them puts out while a model computes."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from emmental.pruning.matrices import block_name, encoder_linears


def blocks(model: nn.Module) -> list[nn.Module]:
    """The encoder's layers, the first one first, whatever the architecture calls them."""
    names = dict.fromkeys(map(block_name, encoder_linears(model)))
    return [model.get_submodule(name) for name in names]


@contextlib.contextmanager
def recorded(layers: list[nn.Module]) -> Iterator[list[torch.Tensor]]:
    """While it is open, the outputs [batch, length, hidden] of these layers are appended to the list that it yields."""
    outputs = []

    def keep(module, inputs, output):
        outputs.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
