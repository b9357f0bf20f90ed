"""The masks that somebody has on the Hugging Face Hub, as their cards' heads tell. No mask is downloaded."""

from collections.abc import Iterator

import huggingface_hub
from huggingface_hub import ModelInfo
from huggingface_hub.errors import HFValidationError, HTTPError

from emmental.common.errors import InputError, printable
from emmental.common.text import aligned, readable
from emmental.masks.card import LIBRARY, SECTION

READ = ["cardData", "library_name"]
LONGEST = 60  # characters of a cell, which anybody may have written


def show(place: str) -> str:
    """A table of the masks of a user, an organisation or a collection (owner/title-id): repository, task, density,
    first metric and backbone. Raises InputError where the Hub knows no such place, or no mask is there."""
    try:
        found = [model for model in _models(place) if model.library_name == LIBRARY]
    except (HTTPError, HFValidationError, OSError) as error:
        raise InputError(f"cannot list {place}: {error}") from None
    if not found:
        raise InputError(f"{place}: no repository of the library {LIBRARY} in it")
    return aligned([["repository", "task", "density", "metric", "backbone"], *map(_row, found)])


def _models(place: str) -> Iterator[ModelInfo]:
    api = huggingface_hub.HfApi()
    if "/" not in place:
        yield from api.list_models(author=place, filter=LIBRARY, expand=READ)
        return
    for item in api.get_collection(place).items:
        if item.item_type == "model":
            yield api.model_info(item.item_id, expand=READ)


def _row(model: ModelInfo) -> list[str]:
    data = model.card_data
    section = data.get(SECTION) if data else None
    section = section if isinstance(section, dict) else {}
    results = data.eval_results if data else None
    density = section.get("density")
    return [
        _cell(model.id),
        _cell(section.get("task")),
        f"{density:.4f}" if isinstance(density, float) else "–",
        _metric(results[0]) if results else "–",
        _cell(section.get("backbone")),
    ]


def _metric(result) -> str:
    value = result.metric_value
    return f"{_cell(result.metric_name)} {readable(value) if isinstance(value, int | float) else _cell(value)}"


def _cell(value) -> str:
    return printable(" ".join(str(value).split()))[:LONGEST] if value else "–"
