"""What shrinking saved, layer by layer, for a reader."""

from collections import Counter
from pathlib import Path

from torch import nn

from emmental import shrunk
from emmental.inspection import aligned
from emmental.layers import encoder_linears, layer_number


def measure(model: nn.Module) -> dict:
    """Sizes of a model that is not shrunk yet, for ``show``: parameters by layer, and of all."""
    attention = shrunk.blocks(model)[0].attention.self
    return {
        "layers": _parameters(model),
        "all": sum(parameter.numel() for parameter in model.parameters()),
        "heads": attention.num_attention_heads,
        "dimensions": attention.all_head_size,
        "units": model.config.intermediate_size,
    }


def show(before: dict, model: nn.Module, weights: Path) -> str:
    """The table of what is left of each layer of a shrunk model; weights: the file that they are in.

    Rows of zeros that fill heads up to the size of others count as what they are, stored parameters.
    """
    rows = [["layer", "parameters before", "after", "share", "heads", "query, key", "value", "units"]]
    layers = _parameters(model)
    for (number, parameters), shape in zip(layers.items(), shrunk.shapes(model), strict=True):
        left = [
            f"{len(shape.value)}/{before['heads']}",
            *(f"{sum(part)}/{before['dimensions']}" for part in (shape.query_key, shape.value)),
            f"{shape.units}/{before['units']}",
        ]
        rows.append([str(number), *_change(before["layers"][number], parameters), *left])
    rows.append(["encoder", *_change(before["layers"].total(), layers.total()), *[""] * 4])
    everything = sum(parameter.numel() for parameter in model.parameters())
    rows.append(["model", *_change(before["all"], everything), *[""] * 4])
    rows.append(["bytes", *_change(4 * before["all"], weights.stat().st_size), *[""] * 4])
    return aligned(rows)


def _parameters(model: nn.Module) -> Counter:
    """Weights and biases of the linear layers by the number of their block."""
    counts = Counter()
    for name, linear in encoder_linears(model).items():
        counts[layer_number(name)] += sum(parameter.numel() for parameter in linear.parameters())
    return counts


def _change(before: int, after: int) -> list[str]:
    return [f"{before:,}", f"{after:,}", f"{100 * after / before:.1f} %"]
