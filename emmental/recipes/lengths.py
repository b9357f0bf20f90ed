"""How long the recipes lower the density and raise lambda, for runs of any length."""

from dataclasses import dataclass

# What MNLI's recipe prunes for, as a share of its 73,632 steps: the rule for every run that is too short for its own.
SHORT_RUN_SHARE = 43_632 / 73_632


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
