"""Several densities from one run: the mask as the schedule passes each, its metric, a table and a picture.

A snapshot is not a dedicated run: its scores were still moving, and no step was spent at its density.
"""

from collections.abc import Callable

import pandas as pd
from transformers import TrainerCallback


def prefix(density: float) -> str:
    """How a snapshot's metrics are named in the logs, before the metric's name."""
    return f"snapshot_{density:g}"


class Snapshots(TrainerCallback):
    """Saves and evaluates the mask at each density, once, when the schedule first reaches it.

    evaluate(density) selects masks of exactly that density, saves and scores them, and puts back the step's masks.
    """

    def __init__(self, densities: list[float], density_at: Callable[[int], float], evaluate: Callable[[float], None]):
        self.densities, self.density_at, self.evaluate = densities, density_at, evaluate

    def on_step_end(self, args, state, control, **kwargs):
        before, now = self.density_at(state.global_step - 1), self.density_at(state.global_step)
        for density in self.densities:
            if now <= density < before:
                self.evaluate(density)


def collect(history: list[dict], densities: list[float], metrics: tuple[str, ...]) -> pd.DataFrame:
    """A row per snapshot: density, step, metrics, out of Trainer's log."""
    rows = []
    for density in densities:
        entry = next(entry for entry in history if f"{prefix(density)}_{metrics[0]}" in entry)
        measured = {metric: entry[f"{prefix(density)}_{metric}"] for metric in metrics}
        rows.append({"density": density, "step": entry["step"], **measured, "mask": f"{prefix(density)}.safetensors"})
    return pd.DataFrame(rows)
