"""Which matrices of an encoder are pruned, and what their names say of them.

An encoder matrix is the weight of any nn.Linear with a layer number in its dotted name.
"""

import re

from torch import nn

LAYER_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def encoder_linears(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers of the repeated blocks by dotted name: not embeddings, pooler or head."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and LAYER_NUMBER.search(name)
    }


def matrix_type(name: str) -> str:
    """A matrix's role, the same in all layers: its name with the layer number starred out."""
    return LAYER_NUMBER.sub("*", name)


def block_name(name: str) -> str:
    """The repeated block that a matrix is in: its name up to the layer number."""
    return name[: LAYER_NUMBER.search(name).end()]


def layer_number(name: str) -> int:
    """The number of the layer that a matrix is in."""
    return int(LAYER_NUMBER.search(name).group())


def short_type(kind: str) -> str:
    """What tells a matrix type from others: "attention.output" of "bert.encoder.layer.*.attention.output.dense"."""
    words = kind.split("*.")[1].split(".")
    return ".".join(word for word in words if word not in ("self", "dense"))
