"""Pruning lengths of the recipes and of short runs; the schedules' ends. test_golden.py checks the values between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emmental.pruning.schedule import Schedule
from emmental.recipes.lengths import GLUE, SQUAD, pruning_length, ramp_length


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


@pytest.mark.parametrize(
    ("total", "density", "expected"),
    [
        (27_660, 0.5, (22_660, 27_660)),
        (27_660, 0.1, (22_660, 27_660)),
        (27_660, 0.7, (5_000, 27_660)),
        (27_660, 0.8, (5_000, 27_660)),
        (55_320, 0.03, (22_650, 27_660)),
        (400, 0.5, (237, 400)),
        (5_000, 0.8, (2_962, 5_000)),
        (400, 0.03, (237, 200)),
    ],
)
def test_lengths_of_squad(total, density, expected):
    assert (pruning_length(total, density, SQUAD), ramp_length(total, density, SQUAD)) == expected


@given(st.integers(2, 200_000), st.floats(0.001, 1), st.sampled_from([GLUE, SQUAD]))
def test_every_run_gets_valid_lengths(total, density, lengths):
    assert 0 < pruning_length(total, density, lengths) < total
    assert 0 < ramp_length(total, density, lengths) <= total


def test_lambda_is_whole_after_its_ramp():
    plan = Schedule(100, 60, 0.1, 400.0, ramp_steps=50)
    assert plan.regulariser_weight(25) == pytest.approx(400 * (1 - 0.5**3))
    assert plan.regulariser_weight(50) == plan.regulariser_weight(100) == 400


def test_one_step_is_too_short():
    with pytest.raises(ValueError, match="at least 2"):
        pruning_length(1, 0.1)


def test_linear_density():
    plan = Schedule(100, 60, 0.1, 0.0, power=1)
    assert [plan.density(step) for step in (0, 30, 60, 100)] == pytest.approx([1, 0.55, 0.1, 0.1])


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
