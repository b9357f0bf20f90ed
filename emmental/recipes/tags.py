"""The grammar of tags: ``<task>_<density>[_roberta][_kd|_lkd][_mag]``."""

import re
from dataclasses import dataclass

from emmental.common.errors import InputError
from emmental.recipes.table import RECIPES, ROBERTA

GRAMMAR = "<task>_<density>[_roberta][_kd|_lkd][_mag], e.g. mnli_0.03_mag"


@dataclass(frozen=True)
class Tag:
    """What a run is to be: ``<task>_<density>[_roberta][_kd|_lkd][_mag]``."""

    text: str
    task: str
    density: float
    roberta: bool
    kd: bool  # with distillation
    mag: bool  # SMP-S, else SMP-L
    lkd: bool = False  # with distillation of the teacher's layers, by our own short recipe

    @property
    def backbone(self) -> str:
        return ROBERTA if self.roberta else RECIPES[self.task].backbone

    @property
    def allocation(self) -> str:
        return "soft" if self.mag else "local"


def parse_tag(text: str) -> Tag:
    """Read a tag. Raises InputError for anything else, an unknown task, and a density outside (0, 1]."""
    found = re.fullmatch(r"([a-z0-9]+)_([0-9]*\.?[0-9]+)(_roberta)?(_l?kd)?(_mag)?", text)
    if not found:
        raise InputError(f"{text!r} is not a tag: {GRAMMAR}")
    task, density, *options = found.groups()
    if not 0 < float(density) <= 1:
        raise InputError(f"{text!r}: the density {density} must lie above 0 and be at most 1, e.g. {task}_0.10")
    if task not in RECIPES:
        raise InputError(f"{text!r}: no task {task!r}; there are {' '.join(RECIPES)}")
    return Tag(text, task, float(density), *map(bool, options), lkd=options[1] == "_lkd")
