"""What shrinking saved, layer by layer, for a reader."""

from pathlib import Path

from torch import nn

from emmental.common.text import aligned
from emmental.export import shrunk


def measure(model: nn.Module) -> dict:
    """Sizes of a model that is not shrunk yet, for ``show``: parameters by layer, and of all."""
    attention = shrunk.blocks(model)[0].attention.self
    return {
        "layers": _parameters(model),
        "all": sum(parameter.numel() for parameter in model.parameters()),
        "heads": attention.num_attention_heads,
        "dimensions": attention.all_head_size,
        "units": model.config.intermediate_size,
        "rows": model.config.hidden_size,
    }


def show(before: dict, model: nn.Module, weights: Path) -> str:
    """The table of what is left of each layer of a shrunk model; weights: the file that they are in.

    Rows of zeros that fill heads up to the size of others count as what they are, stored parameters.
    """
    columns = "heads", "query, key", "value", "attention.output", "units", "output"
    rows = [["layer", "parameters before", "after", "share", *columns]]
    layers = _parameters(model)
    for number, (parameters, shape) in enumerate(zip(layers, shrunk.shapes(model), strict=True)):
        left = [
            f"{len(shape.value)}/{before['heads']}",
            *(f"{sum(part)}/{before['dimensions']}" for part in (shape.query_key, shape.value)),
            f"{shape.attention_rows}/{before['rows']}",
            f"{shape.units}/{before['units']}",
            f"{shape.output_rows}/{before['rows']}",
        ]
        rows.append([str(number), *_change(before["layers"][number], parameters), *left])
    rows.append(["encoder", *_change(sum(before["layers"]), sum(layers)), *[""] * len(columns)])
    everything = sum(parameter.numel() for parameter in model.parameters())
    rows.append(["model", *_change(before["all"], everything), *[""] * len(columns)])
    rows.append(["bytes", *_change(4 * before["all"], weights.stat().st_size), *[""] * len(columns)])
    return aligned(rows)


def _parameters(model: nn.Module) -> list[int]:
    """Of each block."""
    return [sum(parameter.numel() for parameter in block.parameters()) for block in shrunk.blocks(model)]


def _change(before: int, after: int) -> list[str]:
    return [f"{before:,}", f"{after:,}", f"{100 * after / before:.1f} %"]
