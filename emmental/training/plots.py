"""The pictures of a run: the density of each matrix, the curves over the steps, the metric of snapshots."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from emmental.common.pictures import save
from emmental.pruning.matrices import layer_number, matrix_type, short_type
from emmental.pruning.schedule import Schedule


def draw_density(bits: dict[str, torch.Tensor], title: str, path: Path) -> None:
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
    save(figure, path)


def draw_curves(
    history: list[dict], schedule: Schedule, metric: str, best_step: int, baseline: float | None, path: Path
) -> None:
    """Density, training loss and the chief metric over the steps; the metric that counts is marked."""
    figure = Figure(figsize=(8, 8), layout="constrained")
    top, middle, bottom = figure.subplots(3, sharex=True)
    if schedule.lambda_decides:
        measured = [(entry["step"], 100 * entry["density"]) for entry in history if "density" in entry]
        top.plot(*zip(*measured, strict=True), color="tab:blue")
    else:
        steps = np.linspace(0, schedule.total_steps, 400)
        top.plot(steps, [100 * schedule.density(step) for step in steps], color="tab:blue")
        top.axvline(schedule.pruning_steps, color="grey", linestyle=":")
        top.annotate(
            f" N = {schedule.pruning_steps}: {100 * schedule.final_density:g} % remain",
            (schedule.pruning_steps, 60),
            color="dimgrey",
        )
    top.set(ylabel="remaining weights (%)", ylim=(0, 103))

    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    middle.plot(*zip(*losses, strict=True), color="tab:orange", label="loss")
    tasks = [(entry["step"], entry["task_loss"]) for entry in history if entry.get("regulariser")]
    if tasks:
        middle.plot(*zip(*tasks, strict=True), color="tab:red", linewidth=0.8, label="without the regulariser")
        middle.set_yscale("log")
        middle.legend()
    middle.set(ylabel="training loss")

    points = {entry["step"]: entry[metric] for entry in history if metric in entry}
    name = metric.removeprefix("eval_")
    bottom.plot(points.keys(), points.values(), color="tab:green", marker=".", label=name)
    bottom.plot(best_step, points[best_step], "*", color="black", markersize=12, label="what is kept")
    _draw_baseline(bottom, baseline)
    bottom.axvline(schedule.pruning_steps, color="grey", linestyle=":")
    bottom.set(xlabel="step", ylabel=name)
    bottom.legend()
    for axes in (top, middle, bottom):
        axes.grid(alpha=0.3)
    save(figure, path)


def draw_densities(
    rows: pd.DataFrame, metric: str, end: tuple[float, float], baseline: float | None, path: Path
) -> None:
    """The metric of a run's snapshots over their density; the run's own result at ``end`` is marked."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(100 * rows["density"], rows[metric], "o-", label="snapshots in passing")
    axes.plot(100 * end[0], end[1], "*", color="black", markersize=14, label="the run's result")
    _draw_baseline(axes, baseline)
    axes.set(xlabel="remaining weights (%)", ylabel=metric)
    axes.grid(alpha=0.3)
    axes.legend()
    save(figure, path)


def _draw_baseline(axes, baseline: float | None) -> None:
    if baseline is not None:
        axes.axhline(baseline, color="grey", linestyle="--", label="majority class")
