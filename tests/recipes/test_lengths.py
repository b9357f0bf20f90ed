"""How long a run prunes: the lengths of the recipes' own runs, and no schedule without an end."""

import pytest

from emmental.recipes import lengths


@pytest.mark.parametrize("rules", [lengths.GLUE, lengths.SQUAD])
def test_every_run_has_room_for_pruning_and_for_its_end(rules):
    """The length of a recipe's own among them: 3,500 steps at 80 %."""
    for density in (1.0, 0.8, 0.75, 0.7, 0.5, 0.03, 0.001):
        for total in {*range(2, 40), *(steps + more for _, steps in rules.early for more in (-1, 0, 1)), rules.rest}:
            assert 0 < lengths.pruning_length(total, density, rules) < total
    with pytest.raises(ValueError, match="at least 2 are needed"):
        lengths.pruning_length(1, 0.5, rules)
