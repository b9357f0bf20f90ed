"""Soft allocation: meets the budget, stays within 1, follows the formula where nothing exceeds 1."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emmental.pruning.allocation import local, share_out, soft

IMPORTANCE = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(1e-6, 1.0), min_size=1, max_size=12)


@given(IMPORTANCE, st.floats(0, 1))
def test_budget_is_met_and_none_above_one(importance, density):
    budget = density * len(importance)
    densities = share_out(importance, budget)
    assert list(densities) == list(importance)
    assert sum(densities.values()) == pytest.approx(budget, abs=1e-9)
    assert all(0 <= value <= 1 for value in densities.values())


@given(IMPORTANCE, st.floats(0, 1))
def test_what_is_not_full_stays_in_proportion(importance, density):
    densities = share_out(importance, density * len(importance))
    ratios = [densities[name] / importance[name] for name in importance if densities[name] < 1]
    assert ratios == pytest.approx(ratios[:1] * len(ratios))
    if ratios:  # full ones would exceed 1 at the others' ratio
        assert all(importance[name] * ratios[0] >= 1 - 1e-9 for name in importance if densities[name] == 1)


def test_excess_goes_to_the_others():
    assert share_out({"a": 0.9, "b": 0.05, "c": 0.05}, 1.5) == pytest.approx({"a": 1.0, "b": 0.25, "c": 0.25})


def test_soft_by_hand(device):
    scores = {
        "0.q": torch.zeros(2, 2),
        "1.q": torch.full((2, 2), 2.0),
        "0.k": torch.ones(2, 2),
        "1.k": torch.ones(2, 2),
    }
    scores = {name: matrix.to(device) for name, matrix in scores.items()}
    densities = soft(scores, density=0.3, p=2.0, matrix_type=lambda name: name[-1])
    sigmoid_of_1 = 1 / (1 + 2.718281828459045**-1)
    assert densities["0.q"] == pytest.approx(0.6 * 0.5 / (0.5 + sigmoid_of_1), abs=1e-7)
    assert densities["1.q"] == pytest.approx(0.6 * sigmoid_of_1 / (0.5 + sigmoid_of_1), abs=1e-7)
    assert densities["0.k"] == densities["1.k"] == pytest.approx(0.3)


def test_soft_equals_local_where_all_scores_are_equal(device):
    scores = {f"{layer}.{kind}": torch.full((3, 5), 0.7, device=device) for layer in range(4) for kind in "qkv"}
    assert soft(scores, 0.37, 1.0, lambda name: name[-1]) == pytest.approx(local(scores, 0.37), abs=1e-15)
