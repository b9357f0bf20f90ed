"""The methods of a comparison with their options, and the folders that are named after them."""

import re
from dataclasses import dataclass

from emmental.common.errors import InputError
from emmental.recipes.methods import LINES, Line, Method


@dataclass(frozen=True)
class Contestant:
    """A method with its options: ``smp-s+kd``, ``movement+magnitude_init``."""

    name: str  # one of LINES
    kd: bool = False
    magnitude_init: bool = False

    @property
    def method(self) -> Method:
        """The pruning method."""
        return LINES[self.name][0]

    @property
    def line(self) -> Line:
        """Its name, colour and allocation in a comparison."""
        return LINES[self.name][1]

    @property
    def learns_scores(self) -> bool:
        """Whether there are scores, which can start at the weights' magnitude."""
        return self.method.learns_scores

    def __str__(self) -> str:
        return self.name + "+kd" * self.kd + "+magnitude_init" * self.magnitude_init


def parse_contestant(text: str) -> Contestant:
    """Read a method's name with its options. Raises InputError for what does not exist."""
    name, *options = text.split("+")
    if name not in LINES:
        raise InputError(f"no method {name!r}: there are {' '.join(LINES)}, with +kd and +magnitude_init")
    if unknown := set(options) - {"kd", "magnitude_init"}:
        raise InputError(f"{text!r}: no option +{min(unknown)}: there are +kd and +magnitude_init")
    contestant = Contestant(name, "kd" in options, "magnitude_init" in options)
    if (options and not contestant.method.prunes) or (contestant.magnitude_init and not contestant.learns_scores):
        raise InputError(f"{text!r}: {name} knows no such option")
    return contestant


def parse_folder(name: str) -> tuple[Contestant, float | None]:
    """What the runs in a folder of this name are: see ``jobs``. The density asked for is None where there was none.

    Raises InputError for another folder."""
    found = re.fullmatch(r"(.+?)(?:_lambda_[^_]+|_([0-9.]+))?", name)
    return parse_contestant(found[1]), float(found[2]) if found[2] else None
