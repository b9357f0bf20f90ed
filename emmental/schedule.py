"""Density and lambda as pure functions of the step, and how long the recipes lower the one and raise the other."""

from dataclasses import dataclass

# What MNLI's recipe prunes for, as a share of its 73,632 steps: the rule for every run that is too short for its own.
SHORT_RUN_SHARE = 43_632 / 73_632

POWERS = {"cubic": 3, "linear": 1}  # of the density's fall; linear is the paper's for RoBERTa


@dataclass(frozen=True)
class Lengths:
    """How long the published recipes prune, by density; see pruning_length and ramp_length."""

    rest: int  # steps that are left after pruning, at densities that no other line names
    early: tuple[tuple[float, int], ...]  # (from this density on, N), highest first
    late: tuple[float, int] | None = None  # (up to this density, N); lambda is whole after half of all steps


GLUE = Lengths(rest=30_000, early=((0.8, 3_500), (0.7, 5_250)))
SQUAD = Lengths(rest=5_000, early=((0.7, 5_000),), late=(0.03, 22_650))


def pruning_length(total_steps: int, density: float, lengths: Lengths = GLUE) -> int:
    """N, the number of steps that lower the density, for a run of ``total_steps`` optimiser steps.

    At least 1 and below ``total_steps``; raises ValueError where the run is too short for that.
    """
    if total_steps < 2:
        raise ValueError(f"{total_steps} training steps leave no room for pruning: at least 2 are needed")
    fitting = _recipe_length(total_steps, density, lengths)
    return fitting if 0 < fitting < total_steps else max(1, int(total_steps * SHORT_RUN_SHARE))


def _recipe_length(total_steps: int, density: float, lengths: Lengths) -> int:
    for lowest, steps in lengths.early:
        if density >= lowest:
            return steps
    if lengths.late and density <= lengths.late[0]:
        return lengths.late[1]
    return total_steps - lengths.rest


def ramp_length(total_steps: int, density: float, lengths: Lengths = GLUE) -> int:
    """The number of steps that raise lambda: all of them, or half (SQuAD at 3 %: 27,660 of 55,320)."""
    return total_steps // 2 if lengths.late and density <= lengths.late[0] else total_steps


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
    by_penalty: bool = False  # what remains depends on lambda and is final at the end alone

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
        return step >= (self.total_steps if self.by_penalty else self.pruning_steps)
