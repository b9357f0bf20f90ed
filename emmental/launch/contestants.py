"""The methods of a comparison with their options, and the folders that are named after them."""

import re
from dataclasses import dataclass

from emmental.common.errors import InputError
from emmental.recipes.methods import LINES, Line, Method

OPTIONS = "kd", "lkd", "magnitude_init"


@dataclass(frozen=True)
class Contestant:
    """A method with its options: ``smp-s+kd``, ``movement+magnitude_init``."""

    name: str  # one of LINES
    kd: bool = False
    lkd: bool = False  # the tags' own recipe, which chooses the scores' start
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

    @property
    def taught(self) -> bool:
        """Whether it learns from a teacher."""
        return self.kd or self.lkd

    def __str__(self) -> str:
        return "+".join([self.name, *(option for option in OPTIONS if getattr(self, option))])


def parse_contestant(text: str) -> Contestant:
    """Read a method's name with its options. Raises InputError for what does not exist."""
    name, *options = text.split("+")
    if name not in LINES:
        raise InputError(f"no method {name!r}: there are {' '.join(LINES)}, with +kd, +lkd and +magnitude_init")
    if unknown := set(options) - set(OPTIONS):
        raise InputError(f"{text!r}: no option +{min(unknown)}: there are +kd, +lkd and +magnitude_init")
    contestant = Contestant(name, **{option: option in options for option in OPTIONS})
    if (
        (options and not contestant.method.prunes)
        or (contestant.magnitude_init and not contestant.learns_scores)
        or (contestant.lkd and contestant.method.trains_weights)
    ):
        raise InputError(f"{text!r}: {name} knows no such option")
    if contestant.lkd and len(options) > 1:
        raise InputError(f"{text!r}: +lkd is a whole recipe, and stands alone")
    return contestant


def parse_folder(name: str) -> tuple[Contestant, float | None]:
    """What the runs in a folder of this name are: see ``jobs``. The density asked for is None where there was none.

    Raises InputError for another folder."""
    found = re.fullmatch(r"(.+?)(?:_lambda_[^_]+|_([0-9.]+))?", name)
    return parse_contestant(found[1]), float(found[2]) if found[2] else None
