"""Density and lambda as pure functions of the step."""

from dataclasses import dataclass

POWERS = {"cubic": 3, "linear": 1}  # of the density's fall; linear is the paper's for RoBERTa


@dataclass(frozen=True)
class Schedule:
    """The schedules of a run. Steps count completed optimiser steps, 0 … total_steps. For soft movement pruning the
    density is the threshold, which rises."""

    total_steps: int
    pruning_steps: int
    final_density: float
    final_lambda: float
    initial_density: float = 1.0
    ramp_steps: int | None = None  # steps that raise lambda: all of them where None; 0: it is constant
    power: int = 3  # of the fall of the density: cubic, or 1, linear
    lambda_decides: bool = False  # what remains depends on lambda and is final at the end alone

    def density(self, step: int) -> float:
        """v(t) = v_f + (v_i - v_f)(1 - t/N)^power for t < N, then v_f (SMP, equation 4, with power 3)."""
        remaining = max(0.0, 1 - step / self.pruning_steps)
        return self.final_density + (self.initial_density - self.final_density) * remaining**self.power

    def regulariser_weight(self, step: int) -> float:
        """lambda(t) = lambda (1 - (1 - t/R)^3) for t < R, then lambda. R is by default T, not N as equation 6 has it:
        so the published results were computed."""
        ramp_steps = self.total_steps if self.ramp_steps is None else self.ramp_steps
        remaining = max(0.0, 1 - step / ramp_steps) if ramp_steps else 0.0
        return self.final_lambda * (1 - remaining**3)

    def is_final(self, step: int) -> bool:
        """Whether the density has reached its end value."""
        return step >= (self.total_steps if self.lambda_decides else self.pruning_steps)
