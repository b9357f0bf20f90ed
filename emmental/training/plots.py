"""The pictures of a run: the density of each matrix, the curves over the steps, the metric of snapshots."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emmental.pruning.matrices import layer_number, matrix_type, short_type
from emmental.pruning.schedule import Schedule


def density(bits: dict[str, torch.Tensor], title: str) -> Figure:
    """Layers x matrix types, the remaining weights of each matrix in percent."""
    columns = list(dict.fromkeys(matrix_type(name) for name in bits))
    layers = sorted({layer_number(name) for name in bits})
    percent = np.full((len(layers), len(columns)), np.nan)
    for name, matrix in bits.items():
        percent[layers.index(layer_number(name)), columns.index(matrix_type(name))] = 100 * matrix.float().mean().item()
    figure = Figure(figsize=(1.6 + 1.25 * len(columns), 1.7 + 0.42 * len(layers)), layout="constrained")
    axes = figure.subplots()
    mean = 100 * sum(int(m.sum()) for m in bits.values()) / sum(m.numel() for m in bits.values())
    spread = max(np.nanmax(abs(percent - mean)), 0.1 * mean)  # small differences are to look small
    image = axes.imshow(percent, aspect="auto", cmap="RdYlBu", vmin=mean - spread, vmax=mean + spread)
    axes.set_xticks(range(len(columns)), [short_type(column).replace(".", "\n") for column in columns])
    axes.set_yticks(range(len(layers)), layers)
    axes.set_ylabel("layer")
    axes.set_title(title)
    for (row, column), value in np.ndenumerate(percent):
        if not np.isnan(value):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center")
    figure.colorbar(image, label="remaining weights (%)")
    return figure


@dataclass(frozen=True)
class Course:
    """What is drawn over a run's steps: density, training loss and the chief metric. metric: as the history, Trainer's
    log, names it; best_step: of the state that is kept; a dense run has no schedule, and keeps its last state."""

    history: list[dict]
    metric: str
    baseline: float | None
    schedule: Schedule | None = None
    best_step: int | None = None

    def curves(self) -> Figure:
        """All in one, for a pruning run."""
        figure = Figure(figsize=(8, 8), layout="constrained")
        top, middle, bottom = figure.subplots(3, sharex=True)
        self._density(top)
        self._loss(middle)
        self._metric(bottom)
        bottom.set(xlabel="step")
        return figure

    def panels(self) -> dict[str, Figure]:
        """Each as a picture of its own, small enough for a telephone; none of what was not logged."""
        drawn = {
            "remaining weights": (self._density, self.schedule),
            "training loss": (self._loss, self._logged("loss")),
            self._name(): (self._metric, self._logged(self.metric)),
        }
        return {name: self._panel(draw) for name, (draw, known) in drawn.items() if known}

    def _panel(self, draw: Callable[[Axes], None]) -> Figure:
        figure = Figure(figsize=(4.4, 3.1), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set(xlabel="step")
        return figure

    def _logged(self, name: str) -> dict[int, float]:
        return {entry["step"]: entry[name] for entry in self.history if name in entry}

    def _name(self) -> str:
        return self.metric.removeprefix("eval_")

    def _density(self, axes: Axes) -> None:
        schedule = self.schedule
        if schedule.lambda_decides:
            measured = self._logged("density")
            axes.plot(measured.keys(), [100 * density for density in measured.values()], color="tab:blue")
        else:
            steps = np.linspace(0, schedule.total_steps, 400)
            axes.plot(steps, [100 * schedule.density(step) for step in steps], color="tab:blue")
            axes.axvline(schedule.pruning_steps, color="grey", linestyle=":")
            axes.annotate(
                f" N = {schedule.pruning_steps}: {100 * schedule.final_density:g} % remain ",
                (schedule.pruning_steps, 60),
                color="dimgrey",
                horizontalalignment="right" if 2 * schedule.pruning_steps > schedule.total_steps else "left",
            )
        axes.set(ylabel="remaining weights (%)", ylim=(0, 103))
        axes.grid(alpha=0.3)

    def _loss(self, axes: Axes) -> None:
        losses = self._logged("loss")
        axes.plot(losses.keys(), losses.values(), color="tab:orange", label="loss")
        tasks = [(entry["step"], entry["task_loss"]) for entry in self.history if entry.get("regulariser")]
        if tasks:
            axes.plot(*zip(*tasks, strict=True), color="tab:red", linewidth=0.8, label="without the regulariser")
            axes.set_yscale("log")
            axes.legend()
        axes.set(ylabel="training loss")
        axes.grid(alpha=0.3)

    def _metric(self, axes: Axes) -> None:
        points = self._logged(self.metric)
        axes.plot(points.keys(), points.values(), color="tab:green", marker=".", label=self._name())
        if self.schedule:
            kept = self.best_step, points[self.best_step]
            axes.plot(*kept, "*", color="black", markersize=12, label="what is kept")
            axes.axvline(self.schedule.pruning_steps, color="grey", linestyle=":")
        _draw_baseline(axes, self.baseline)
        axes.set(ylabel=self._name())
        axes.legend()
        axes.grid(alpha=0.3)


def densities(rows: pd.DataFrame, metric: str, end: tuple[float, float], baseline: float | None) -> Figure:
    """The metric of a run's snapshots over their density; the run's own result at ``end`` is marked."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(100 * rows["density"], rows[metric], "o-", label="snapshots in passing")
    axes.plot(100 * end[0], end[1], "*", color="black", markersize=14, label="the run's result")
    _draw_baseline(axes, baseline)
    axes.set(xlabel="remaining weights (%)", ylabel=metric)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _draw_baseline(axes, baseline: float | None) -> None:
    if baseline is not None:
        axes.axhline(baseline, color="grey", linestyle="--", label="majority class")
