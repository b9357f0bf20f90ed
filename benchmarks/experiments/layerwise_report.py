"""What the runs of layerwise.py show: table.md, table.json (every run, and what the table says) and the picture."""

import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.experiments.layerwise_runs import (
    CHIEF,
    CHOICE_TASKS,
    CHOSEN,
    DENSE,
    DROPPED,
    FULL,
    MASKS,
    ONLY,
    PIECES_TASKS,
    PLAIN,
    TASKS,
    WITHOUT,
    Run,
)
from emmental.common.errors import InputError
from emmental.common.files import write_json, write_text
from emmental.common.pictures import save
from emmental.common.run_folder import RESULTS
from emmental.common.text import markdown
from emmental.launch.jobs import is_span
from emmental.recipes.table import RECIPES

TITLES = {
    DENSE: "dense",
    DROPPED: "dense, with dropout",
    FULL: "full recipe",
    MASKS: "without norms: masks alone",
    PLAIN: "plain SMP-S",
}
TITLES |= {method: method.replace("_", " ") for method in (*WITHOUT, *ONLY) if method != MASKS}
TITLES |= {method: f"`--{method}`" for method in CHOSEN}
COLOURS = {FULL: "tab:green", MASKS: "tab:blue", PLAIN: "tab:grey"}
KEY = ["task", "method", "density", "times", "held_back"]
TRACE = ["density", "trained_parameters", "seconds", "torch", "commit", "command"]
GOAL = 95  # percent of the dense model


def write(output: Path, picture: Path | None) -> str:
    """Write the three files of what is finished; returns the tables."""
    runs = collect(output)
    points = over_seeds(runs)
    text = "\n\n".join(f"**{title}**\n\n{markdown(rows)}" for title, rows in tables(points).items() if len(rows) > 1)
    write_text(output / "table.md", f"{text}\n")
    write_json(output / "table.json", {"points": records(points), "runs": records(runs)})
    save(draw(points), picture or output / "table.png")
    return text


def collect(output: Path) -> pd.DataFrame:
    """A row per finished run: the fields of Run, ``value`` (the task's first metric after the last step, in percent),
    ``share`` (of the dense model of the same seed and steps, in percent; NaN where that is not finished) and what
    all_results.json says of it. Raises InputError where there is none."""
    folders = {Run.of(path.parent): path for path in sorted(output.glob(f"*/*/*x/*/seed_*/{RESULTS}"))}
    if not folders:
        raise InputError(f"{output}: no run is finished")
    results = {run: json.loads(path.read_text()) for run, path in folders.items()}
    values = {run: value(run, result) for run, result in results.items()}
    return pd.DataFrame(
        {
            **vars(run),
            "value": values[run],
            "share": 100 * values[run] / values.get(run.dense, float("nan")),
            **{f"measured_{name}" if name == "density" else name: result.get(name) for name in TRACE},
        }
        for run, result in results.items()
    )


def value(run: Run, result: dict) -> float:
    """The task's first metric after the last step, in percent."""
    metric = RECIPES[run.task].metric
    return (1 if is_span(run.task) else 100) * result.get(f"last_eval_{metric}", result[f"eval_{metric}"])


def over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per KEY, which is the index: mean and deviation (n - 1; NaN of one run) of the value, mean of the share."""
    return runs.groupby(KEY, sort=False).agg(
        mean=("value", "mean"), deviation=("value", "std"), share=("share", "mean"), seeds=("seed", "size")
    )


def records(frame: pd.DataFrame) -> list[dict]:
    """A frame's rows for JSON, which knows no NaN."""
    return json.loads(frame.reset_index().to_json(orient="records", double_precision=15))


def tables(points: pd.DataFrame) -> dict[str, list[list[str]]]:
    """Title and cells of each part's table, its head alone where nothing of it is finished."""
    densities = sorted({key[2] for key in points.index if key[2] < 1}, reverse=True)
    chief = [
        (DENSE, 1.0),
        (DROPPED, 1.0),
        *((method, density) for density in densities for method in (FULL, MASKS, PLAIN)),
    ]
    pieces = [(DENSE, 1.0), *((method, CHIEF) for method in (FULL, *WITHOUT, PLAIN, *ONLY))]
    chosen = [(DENSE, 1.0), (DROPPED, 1.0), *((method, CHIEF) for method in (FULL, *CHOSEN))]
    compared = (DENSE, 1.0), (DROPPED, 1.0), (FULL, CHIEF)
    longer = [(*each, times) for times in (1, 2, 4) for each in compared]
    more = any(times > 1 for *_, times, _ in points.index)
    taken = any(method in (*ONLY, *WITHOUT) and method != MASKS for _, method, *_ in points.index)
    return {
        "Masks beside dense fine-tuning": table(points, TASKS, [(*row, 1, False) for row in chief]),
        "Pieces of the recipe": table(points, PIECES_TASKS, [(*row, 1, False) for row in pieces if taken]),
        "More steps": table(points, ["mnli"], [(*row, False) for row in longer if more]),
        "Settings, on training data held back": table(points, CHOICE_TASKS, [(*row, 1, True) for row in chosen]),
    }


def table(points: pd.DataFrame, tasks: list[str], keys: list[tuple]) -> list[list[str]]:
    """A row per key (KEY without its task), a column per task, each cell with the share of the dense model."""
    tasks = [task for task in tasks if any((task, *key) in points.index for key in keys)]
    rows = [["", "weights", *(f"{task} ({RECIPES[task].metric})" for task in tasks), "mean share", "seeds"]]
    for key in keys:
        found = {task: points.loc[(task, *key)] for task in tasks if (task, *key) in points.index}
        if found:
            method, density, times, _ = key
            title = TITLES[method] + (f", {times} times the steps" if times > 1 else "")
            cells = [cell(found[task]) if task in found else "–" for task in tasks]
            rows.append([title, f"{100 * density:g} %", *cells, mean_share(found, tasks), seeds(found)])
    return rows


def cell(point: pd.Series) -> str:
    """Mean ± standard deviation, and the share of the dense model."""
    spread = "" if pd.isna(point.deviation) else f" ± {point.deviation:.1f}"
    share = "" if pd.isna(point.share) else f" ({point.share:.1f} %)"
    return f"{point['mean']:.1f}{spread}{share}"


def mean_share(found: dict[str, pd.Series], tasks: list[str]) -> str:
    """The mean over the tasks, and of how many where some are not there yet."""
    shares = [point.share for point in found.values() if pd.notna(point.share)]
    if not shares:
        return "–"
    return f"{sum(shares) / len(shares):.1f} %" + (f" of {len(shares)}" if len(shares) < len(tasks) else "")


def seeds(found: dict[str, pd.Series]) -> str:
    """How many runs a cell of the row is the mean of."""
    counts = sorted({int(point.seeds) for point in found.values()})
    return " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))


def draw(points: pd.DataFrame) -> Figure:
    """The share of the dense model over the remaining weights: the mean over the tasks, thin lines for each."""
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.subplots()
    for method in (FULL, MASKS, PLAIN):
        chosen = [key for key in points.index if key[1] == method and key[3:] == (1, False)]
        shares = points["share"].loc[chosen].unstack("task").droplevel(["method", "times", "held_back"]).sort_index()
        style = {"color": COLOURS[method], "marker": "o", "markersize": 3}
        for task in shares:
            axes.plot(100 * shares.index, shares[task], **style, linewidth=0.7, alpha=0.4)
        whole = shares.dropna().mean(axis=1)  # where all of the line's tasks are there
        label = f"{TITLES[method]}, mean of {len(shares.columns)} tasks"
        axes.plot(100 * whole.index, whole, **style | {"markersize": 7}, linewidth=2.5, label=label)
    axes.axhline(100, color="black", linewidth=1, label="dense")
    axes.axhline(GOAL, color="grey", linestyle=":", label=f"{GOAL} % of it")
    shown = sorted({100 * key[2] for key in points.index if key[2] < 1})
    axes.set(xscale="log", xlabel="remaining weights (%)", ylabel="share of the dense model's metric (%)")
    axes.xaxis.set(major_locator=FixedLocator(shown), minor_locator=NullLocator(), major_formatter="{x:g}")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
