"""What a comparison shows: comparison.csv (a row per run), comparison.md (means over seeds) and comparison.png.

Reads the folders that comparison.py names; every finished run in there counts.
"""

import csv
import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emmental.common.files import replacing, write_text
from emmental.common.pictures import save
from emmental.common.run_folder import RESULTS
from emmental.common.text import markdown
from emmental.launch.contestants import Contestant, parse_folder
from emmental.recipes.methods import LINES
from emmental.recipes.table import RECIPES

INITS = {False: "scores start as published", True: "scores start at the weights' magnitude"}


@dataclass(frozen=True)
class Point:
    """The runs of one folder: they differ in their seed alone."""

    contestant: Contestant
    asked: float | None  # density
    folder: Path
    runs: tuple[dict, ...]  # all_results.json of each seed

    @property
    def density(self) -> float:
        """Measured, mean over the seeds."""
        return statistics.mean(run["density"] for run in self.runs)

    def metric(self, name: str) -> tuple[float, float]:
        """Mean and standard deviation (n - 1; 0 of one run) after the last step."""
        values = [after_last_step(run, name) for run in self.runs]
        return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def after_last_step(run: dict, metric: str) -> float:
    """The metric of a run's end, which is chosen by nobody; results name the best evaluation beside it."""
    return run.get(f"last_eval_{metric}", run[f"eval_{metric}"])


def label(contestant: Contestant) -> str:
    """As the paper names the method."""
    return contestant.line.title + " + KD" * contestant.kd + ", magnitude init" * contestant.magnitude_init


def collect(output: Path) -> list[Point]:
    """All points with finished runs, by method in the order of LINES and falling density."""
    found = defaultdict(list)
    for path in sorted(output.glob(f"*/seed_*/{RESULTS}")):
        found[path.parents[1]].append(json.loads(path.read_text()))
    points = [Point(*parse_folder(folder.name), folder, tuple(runs)) for folder, runs in found.items()]
    order = list(LINES)
    return sorted(
        points, key=lambda p: (order.index(p.contestant.name), p.contestant.kd, p.contestant.magnitude_init, -p.density)
    )


def write(output: Path, task: str, command: str, log_axis: bool) -> str:
    """Write the three files; returns what is to be shown of them."""
    metric, points = RECIPES[task].metric, collect(output)
    write_csv(points, metric, output / "comparison.csv")
    text = table(points, task, metric)
    note = (
        f"\n{metric} on the validation set after the last step, mean ± standard deviation over the seeds; the density "
        f"is measured. Last command for this folder:\n\n```\n{command}\n```\n"
    )
    write_text(output / "comparison.md", f"{text}\n{note}")
    figure = picture(points, task, metric, log_axis)
    save(figure, output / "comparison.png")
    return f"{text}\n{output}: comparison.csv, comparison.md, comparison.png"


def write_csv(points: list[Point], metric: str, path: Path) -> None:
    """A row per run, with what it takes to trace it."""
    rows = []
    for point in points:
        for run in point.runs:
            rows.append(
                {
                    "method": label(point.contestant),
                    "density_asked": "" if point.asked is None else point.asked,
                    "lambda": run.get("final_lambda", ""),
                    "density": run["density"],
                    "seed": run["seed"],
                    metric: after_last_step(run, metric),
                    f"best_{metric}": run[f"eval_{metric}"],
                    "majority": run.get(f"majority_eval_{metric}", ""),
                    "trained_parameters": run["trained_parameters"],
                    "steps": run["global_step"],
                    "seconds": round(run["seconds"], 1),
                    **{name: run[name] for name in ("torch", "transformers", "python", "commit", "command")},
                }
            )
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def table(points: list[Point], task: str, metric: str) -> str:
    """A row per method and density, in Markdown."""
    rows = [["method", "density", metric, "seeds", "trained parameters", "seconds", "steps"]]
    for point in points:
        mean, deviation = point.metric(metric)
        spread = f" ± {_shown(deviation, task)}" if len(point.runs) > 1 else ""
        seconds = statistics.mean(run["seconds"] for run in point.runs)
        rows.append(
            [
                label(point.contestant),
                f"{100 * point.density:.1f} %",
                f"{_shown(mean, task)}{spread}",
                f"{len(point.runs)}",
                f"{point.runs[0]['trained_parameters']:,}",
                f"{seconds:.0f}",
                f"{point.runs[0]['global_step']:,}",
            ]
        )
    majority = points[0].runs[0].get(f"majority_eval_{metric}")
    if majority is not None:
        rows.append(["majority class", "", _shown(majority, task), "", "", "", ""])
    return f"**{task}**, {points[0].runs[0]['model']}\n\n{markdown(rows)}"


def _shown(value: float, task: str) -> str:
    """A metric in percent, whether it is a share or, for SQuAD, in percent already."""
    return f"{_scale(task) * value:.1f}"


def _scale(task: str) -> int:
    return 1 if task == "squad" else 100


def picture(points: list[Point], task: str, metric: str, log_axis: bool) -> Figure:
    """The metric over the remaining weights in percent: a line per method, bars where there are several seeds.

    A panel for each of the scores' inits, which would hide each other in one; pruning by magnitude has no scores and
    is in both.
    """
    lines = defaultdict(list)
    for point in points:
        lines[point.contestant].append(point)
    inits = sorted({contestant.magnitude_init for contestant in lines if contestant.learns_scores}) or [False]
    figure = Figure(figsize=(3 + 5 * len(inits), 5.2), layout="constrained")
    panels = figure.subplots(ncols=len(inits), sharey=True, squeeze=False)
    for axes, magnitude_init in zip(panels[0], inits, strict=True):
        _draw_panel(
            axes,
            {
                contestant: line
                for contestant, line in lines.items()
                if contestant.magnitude_init == magnitude_init or not contestant.learns_scores
            },
            task,
            metric,
        )
        axes.set(xlabel="remaining weights (%)", title=INITS[magnitude_init], **{"xscale": "log"} if log_axis else {})
    panels[0, 0].set_ylabel(f"{metric} (%)")
    figure.suptitle(f"{task}, {points[0].runs[0]['model']}")
    handles = {}
    for axes in panels[0]:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="outside right upper", frameon=False)
    return figure


def _draw_panel(axes: Axes, lines: dict[Contestant, list[Point]], task: str, metric: str) -> None:
    """The lines of one init, the dense model and the majority class."""
    scale = _scale(task)
    for contestant, line in lines.items():
        means, deviations = (
            [scale * value for value in side] for side in zip(*(p.metric(metric) for p in line), strict=True)
        )
        if not contestant.method.prunes:
            axes.axhline(means[0], color=contestant.line.colour, linewidth=1.2, label=contestant.line.title)
            continue
        axes.errorbar(
            [100 * point.density for point in line],
            means,
            yerr=[deviation or float("nan") for deviation in deviations],
            color=contestant.line.colour,
            marker="s" if contestant.kd else contestant.method.marker,
            linestyle="--" if contestant.kd else "-",
            capsize=4,
            label=label(replace(contestant, magnitude_init=False)),
        )
    run = next(iter(lines.values()))[0].runs[0]
    if f"majority_eval_{metric}" in run:
        axes.axhline(scale * run[f"majority_eval_{metric}"], color="grey", linestyle=":", label="majority class")
    axes.grid(alpha=0.3)
