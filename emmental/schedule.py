"""Density and lambda as pure functions of the step, and the length of the pruning phase."""

from dataclasses import dataclass

# The published recipes stop lowering the density this many steps before the end (method of MNLI and QQP) …
REST_STEPS = 30_000
# … or, at high densities, after a fixed number of steps.
EARLY_STOPS = ((0.8, 3_500), (0.7, 5_250))
# What MNLI's recipe prunes for, as a share of its 73,632 steps: the rule for every run that is too short for these.
SHORT_RUN_SHARE = 43_632 / 73_632


def pruning_length(total_steps: int, density: float) -> int:
    """N, the number of steps that lower the density, for a run of ``total_steps`` optimiser steps (GLUE recipes).

    At least 1 and below ``total_steps``; raises ValueError where the run is too short for that.
    """
    if total_steps < 2:
        raise ValueError(f"{total_steps} training steps leave no room for pruning: at least 2 are needed")
    for lowest, steps in EARLY_STOPS:
        if density >= lowest and steps < total_steps:
            return steps
    if density < EARLY_STOPS[-1][0] and total_steps > REST_STEPS:
        return total_steps - REST_STEPS
    return max(1, int(total_steps * SHORT_RUN_SHARE))


@dataclass(frozen=True)
class Schedule:
    """The cubic schedules of a run. Steps count completed optimiser steps, 0 … total_steps."""

    total_steps: int
    pruning_steps: int
    final_density: float
    final_lambda: float
    initial_density: float = 1.0

    def density(self, step: int) -> float:
        """v(t) = v_f + (v_i - v_f)(1 - t/N)^3 for t < N, then v_f (SMP, equation 4)."""
        remaining = max(0.0, 1 - step / self.pruning_steps)
        return self.final_density + (self.initial_density - self.final_density) * remaining**3

    def regulariser_weight(self, step: int) -> float:
        """lambda(t) = lambda (1 - (1 - t/T)^3), over all steps T as the published results were computed."""
        return self.final_lambda * (1 - (1 - step / self.total_steps) ** 3)

    def is_final(self, step: int) -> bool:
        """Whether the density has reached its end value."""
        return step >= self.pruning_steps
