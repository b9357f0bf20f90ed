"""Pruning lengths of the recipes and of short runs; the schedules' ends. test_golden.py checks the values between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emmental.schedule import Schedule, pruning_length


@pytest.mark.parametrize(
    ("total", "density", "expected"),
    [
        (73_632, 0.03, 43_632),  # MNLI
        (73_632, 0.5, 43_632),
        (68_232, 0.1, 38_232),  # QQP
        (73_632, 0.7, 5_250),
        (73_632, 0.8, 3_500),
        (6_900, 0.8, 3_500),
        (800, 0.1, 474),  # the share of MNLI's recipe where the reference stops
        (19_644, 0.1, 11_640),
        (800, 0.8, 474),  # a recipe's fixed length does not fit
        (2, 0.1, 1),
    ],
)
def test_pruning_length(total, density, expected):
    assert pruning_length(total, density) == expected


@given(st.integers(2, 200_000), st.floats(0.001, 1))
def test_every_run_gets_a_valid_length(total, density):
    assert 0 < pruning_length(total, density) < total


def test_one_step_is_too_short():
    with pytest.raises(ValueError, match="at least 2"):
        pruning_length(1, 0.1)


@given(st.integers(2, 10_000), st.floats(0.01, 1), st.floats(0, 1000))
def test_schedule_is_monotonic_and_ends_exactly(total, density, weight):
    plan = Schedule(total, pruning_length(total, density), density, weight)
    steps = sorted({0, 1, total // 3, plan.pruning_steps - 1, plan.pruning_steps, total - 1, total})
    densities, weights = [plan.density(s) for s in steps], [plan.regulariser_weight(s) for s in steps]
    assert densities == sorted(densities, reverse=True)
    assert weights == sorted(weights)
    assert densities[0] == pytest.approx(1)
    assert plan.density(plan.pruning_steps) == plan.density(total) == density
    assert (weights[0], weights[-1]) == (0, weight)
    assert [plan.is_final(s) for s in steps] == [s >= plan.pruning_steps for s in steps]
