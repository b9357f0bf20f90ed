"""Numbers that no run can have are refused by name, before anything is loaded."""

import pytest

from emmental.common.errors import InputError
from emmental.recipes.settings import BOUNDS, RunSettings


@pytest.mark.parametrize("name", BOUNDS)
def test_numbers_beyond_their_bounds(name):
    least, most = BOUNDS[name]
    for value in (least, most):
        RunSettings(**{name: value}).check()
    for value in (least - max(1, abs(least)), most + max(1, most), float("nan"), float("inf"), -float("inf")):
        with pytest.raises(InputError, match=f"^--{name} .*: a number from .* is needed$"):
            RunSettings(**{name: value}).check()


def test_the_defaults_are_within_them():
    RunSettings().check()
