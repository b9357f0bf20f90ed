"""The masked-LM head as one more layer of the encoder, so that a linear classifier on top gives the head's logits.

The head is a dense layer, an activation f, a normalisation and the output layer, which most of transformers' own
classifiers lack. A layer of their encoders computes x -> n2(a + W2 f(W1 a)) with a = n1(x + attention(x)). It computes
the head, exactly but for rounding, where
* attention gives zero, and n1 has the weight and bias of the last layer's normalisation, which itself becomes a plain
  one: what is normalised twice is as good as normalised once;
* units of W1 and W2 add f(dense(a)), and others take a away again: f(u) - f(-u) = u for GELU, ReLU and SiLU;
* n2 is the head's normalisation.
The price is the time and bytes of a layer, and feed-forwards that have, in all layers, the units that this one needs.
"""

import contextlib
import re
from collections.abc import Iterator

import torch
from torch import nn

from emmental.common.errors import InputError
from emmental.models import layers

# The order of what a layer holds: attention, norm, feed-forward, norm.
POST_NORM = re.compile("L{3,}NLLN")


def units(model: nn.Module) -> int:
    """Units that the feed-forwards of a masked LM with this layer need. Raises InputError where it cannot have one."""
    blocks, (dense, _) = layers.blocks(model), head(model)
    order = "".join("L" if isinstance(part, nn.Linear) else "N" for part in _parts(blocks[-1]))
    if len(blocks) != model.config.num_hidden_layers:
        raise _no(model, "its layers share their weights")
    if not POST_NORM.fullmatch(order):
        raise _no(model, "its layers are not attention, normalisation, feed-forward, normalisation")
    width, hidden = dense.weight.shape
    if hidden % width:
        raise _no(model, f"its head's width {width} does not divide its encoder's {hidden}")
    return width + 2 * hidden


def head(model: nn.Module) -> tuple[nn.Linear, nn.LayerNorm]:
    """The dense layer and the normalisation of a masked LM's head. Raises InputError where it is made of others."""
    inside = {*model.base_model.modules(), *model.get_output_embeddings().modules()}
    outside = [module for module in model.modules() if module not in inside]
    found = [[module for module in outside if isinstance(module, kind)] for kind in (nn.Linear, nn.LayerNorm)]
    if [len(modules) for modules in found] != [1, 1]:
        raise _no(model, "its masked-LM head is not one dense layer and one normalisation")
    return found[0][0], found[1][0]


def is_in(source: nn.Module, target: nn.Module) -> bool:
    """Whether the masked LM's head is a part of the target, too."""
    return set(_names(source)) <= {name for name, _ in target.named_modules()}


def copy(source: nn.Module, target: nn.Module) -> None:
    """Give the target the head's weights."""
    for name in _names(source):
        target.get_submodule(name).load_state_dict(source.get_submodule(name).state_dict())


def _names(model: nn.Module) -> list[str]:
    parts = head(model)
    return [name for name, module in model.named_modules() if module in parts]


@contextlib.contextmanager
def measured_variance(model: nn.Module) -> Iterator[list[float]]:
    """While it is open, the variance of the vectors that the encoder's last normalisation gets, the harmonic mean over
    them, is appended to the list that it yields."""
    found = []

    def keep(module, inputs):
        found.append(float(1 / inputs[0].var(-1, correction=0).reciprocal().mean()))

    hook = _norms(layers.blocks(model)[-1])[-1].register_forward_pre_hook(keep)
    try:
        yield found
    finally:
        hook.remove()


@torch.no_grad()
def put_last(source: nn.Module, target: nn.Module, variance: float) -> None:
    """Give the last layer of a target, whose parameters are zeros and whose other layers are those of the masked LM
    ``source``, what computes its head.

    variance: about that of the vectors that the source's last normalisation gets. A normalisation adds its epsilon to
    a variance: with this one's root as its weight, the two in a row add it once.
    """
    dense, norm = head(source)
    before, last = layers.blocks(target)[-2:]
    *_, ended = _norms(before)
    *_, up, down = _linears(last)
    first, second = _norms(last)
    first.load_state_dict(ended.state_dict())
    ended.weight.fill_(variance**0.5)
    ended.bias.zero_()

    width, hidden = dense.weight.shape
    own, minus, plus = slice(width), slice(width, width + hidden), slice(width + hidden, width + 2 * hidden)
    identity = torch.eye(hidden)
    up.weight[own], up.bias[own] = dense.weight, dense.bias
    up.weight[minus], up.weight[plus] = identity, -identity
    # A narrower head is repeated over the width of the encoder: mean and variance stay what they are.
    down.weight[:, own] = torch.eye(width).repeat(hidden // width, 1)
    down.weight[:, minus], down.weight[:, plus] = -identity, identity
    second.weight[:width], second.bias[:width] = norm.weight, norm.bias


def _no(model: nn.Module, reason: str) -> InputError:
    return InputError(
        f"{type(model).__name__} cannot become one of transformers' classifiers: {reason}. Fold it without --for, "
        f"or export it as ONNX"
    )


def _parts(block: nn.Module) -> list[nn.Module]:
    return [part for part in block.modules() if isinstance(part, nn.Linear | nn.LayerNorm)]


def _linears(block: nn.Module) -> list[nn.Linear]:
    return [part for part in _parts(block) if isinstance(part, nn.Linear)]


def _norms(block: nn.Module) -> list[nn.LayerNorm]:
    return [part for part in _parts(block) if isinstance(part, nn.LayerNorm)]
