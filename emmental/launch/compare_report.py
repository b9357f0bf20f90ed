"""What a comparison shows: comparison.csv (a row per run), comparison.md (means over seeds), comparison.png, and all of
it on one page, report.html.

Reads the folders that compare.py names; every finished run in there counts.
"""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from emmental.common.files import write_csv, write_text
from emmental.common.pictures import as_uri, save
from emmental.common.run_folder import PAGE, RESULTS
from emmental.common.text import duration, markdown, readable
from emmental.launch.contestants import Contestant, parse_folder
from emmental.recipes.kinds import Kind
from emmental.recipes.methods import LINES
from emmental.recipes.metrics import NOT_SHARES
from emmental.recipes.table import CUSTOM, RECIPES, kind_of
from emmental.report import page, usage

INITS = {False: "scores start as the recipe says", True: "scores start at the weights' magnitude"}
ORDER = [
    Contestant(name, kd, lkd, init)
    for name in LINES
    for kd, lkd in ((False, False), (True, False), (False, True))
    for init in (False, True)
]
MAJORITY = "majority_eval_"  # before a metric: what the commonest answer reaches
TRACE = ["torch", "transformers", "python", "commit", "command"]


def label(contestant: Contestant) -> str:
    """As the paper names the method."""
    taught = " + KD" * contestant.kd + " + LKD" * contestant.lkd
    return contestant.line.title + taught + ", magnitude init" * contestant.magnitude_init


def collect(output: Path, metric: str) -> pd.DataFrame:
    """A row per finished run, by method in ORDER and falling density: contestant, folder of its seeds, report, task,
    model, and from the column "method" on what comparison.csv says. What a run does not have is NaN."""
    runs = pd.DataFrame([_run(path, metric) for path in sorted(output.glob(f"*/seed_*/{RESULTS}"))])
    place = runs["contestant"].map(ORDER.index)
    density = runs.groupby("folder")["density"].transform("mean")
    order = pd.DataFrame({"place": place, "density": -density}).sort_values(["place", "density"])
    return runs.loc[order.index]


def chief_metric(output: Path) -> str:
    """The metric of a task of one's own: that which the majority class is measured by."""
    results = json.loads(next(output.glob(f"*/seed_*/{RESULTS}")).read_text())
    return next(name.removeprefix(MAJORITY) for name in results if name.startswith(MAJORITY))


def _run(path: Path, metric: str) -> dict:
    """The metric is that of the run's end, which is chosen by nobody; the best evaluation stands beside it."""
    run, folder = json.loads(path.read_text()), path.parents[1].name
    contestant, asked = parse_folder(folder)
    return {
        "contestant": contestant,
        "folder": folder,
        "report": path.with_name(PAGE),
        "task": run["task"],
        "model": run["model"],
        "method": label(contestant),
        "density_asked": asked,
        "lambda": run.get("final_lambda"),
        "density": run["density"],
        "seed": run["seed"],
        metric: run.get(f"last_eval_{metric}", run[f"eval_{metric}"]),
        f"best_{metric}": run[f"eval_{metric}"],
        "majority": run.get(f"{MAJORITY}{metric}"),
        "trained_parameters": run["trained_parameters"],
        "steps": run["global_step"],
        "seconds": run["seconds"],
        **{name: run[name] for name in TRACE},
    }


def over_seeds(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row per folder, whose runs differ in their seed alone, in the order of the runs. mean and deviation (n - 1; NaN
    of one run) are the metric's."""
    return runs.groupby("folder", sort=False).agg(
        contestant=("contestant", "first"),
        task=("task", "first"),
        model=("model", "first"),
        density=("density", "mean"),
        mean=(metric, "mean"),
        deviation=(metric, "std"),
        majority=("majority", "first"),
        seeds=("seed", "size"),
        trained_parameters=("trained_parameters", "first"),
        seconds=("seconds", "mean"),
        steps=("steps", "first"),
    )


def write(output: Path, task: str, command: str, log_axis: bool) -> str:
    """Write the four files; returns what is to be shown of them."""
    metric = chief_metric(output) if task == CUSTOM else RECIPES[task].metric
    runs = collect(output, metric)
    points = over_seeds(runs, metric)
    write_csv(runs.loc[:, "method":].round({"seconds": 1}), output / "comparison.csv")
    rows, first = table(points, task, metric), points.iloc[0]
    name, model = first["task"], first["model"]
    text = f"**{name}**, {model}\n\n{markdown(rows)}"
    note = (
        f"{metric} on the validation set after the last step, mean ± standard deviation over the seeds; the density "
        f"is measured."
    )
    last = f"Last command for this folder:\n\n```\n{command}\n```\n"
    write_text(output / "comparison.md", f"{text}\n\n{note} {last}")
    drawn = picture(points, task, metric, log_axis)
    save(drawn, output / "comparison.png")
    page.write(
        output / PAGE,
        "comparison",
        title=f"{name}: pruning methods compared",
        model=model,
        note=note,
        rows=rows,
        picture=as_uri(drawn),
        metric=metric,
        runs=[_linked(run, output, task, metric) for run in runs.to_dict("records")],
        command=usage.by_flag(command),
        versions=sorted({f"torch {run.torch}, transformers {run.transformers}" for run in runs.itertuples()}),
    )
    return f"{text}\n{output}: comparison.csv, comparison.md, comparison.png, {PAGE}"


def _linked(run: dict, output: Path, task: str, metric: str) -> dict[str, str]:
    """A run's row on the page; runs of before have no report to link."""
    return {
        "method": run["method"],
        "density": f"{100 * run['density']:.1f} %",
        "seed": str(run["seed"]),
        "metric": _shown(run[metric], metric, task),
        "time": duration(run["seconds"]),
        "report": run["report"].relative_to(output).as_posix() if run["report"].exists() else "",
    }


def table(points: pd.DataFrame, task: str, metric: str) -> list[list[str]]:
    """The head, and a row per method and density."""
    rows = [["method", "density", metric, "seeds", "trained parameters", "seconds", "steps"]]
    for point in points.itertuples():
        rows.append(
            [
                label(point.contestant),
                f"{100 * point.density:.1f} %",
                shown_mean(point, metric, task),
                f"{point.seeds}",
                f"{point.trained_parameters:,}",
                f"{point.seconds:.0f}",
                f"{point.steps:,}",
            ]
        )
    first = points.iloc[0]
    if pd.notna(first["majority"]):
        rows.append(["majority class", "", _shown(first["majority"], metric, task), "", "", "", ""])
    return rows


def shown_mean(point, metric: str, task: str) -> str:
    """Mean ± standard deviation of a row of over_seeds, for a reader."""
    spread = "" if pd.isna(point.deviation) else f" ± {_shown(point.deviation, metric, task)}"
    return f"{_shown(point.mean, metric, task)}{spread}"


def _shown(value: float, metric: str, task: str) -> str:
    """A metric in percent, whether it is a share or, for spans, in percent already; what is none as it is."""
    return readable(value) if metric in NOT_SHARES else f"{_scale(metric, task) * value:.1f}"


def _scale(metric: str, task: str) -> int:
    return 1 if kind_of(task) is Kind.SPAN or metric in NOT_SHARES else 100


def picture(points: pd.DataFrame, task: str, metric: str, log_axis: bool) -> Figure:
    """The metric over the remaining weights in percent: a line per method, bars where there are several seeds.

    A panel for each of the scores' inits, which would hide each other in one; pruning by magnitude has no scores and
    is in both.
    """
    lines = dict(iter(points.groupby("contestant", sort=False)))
    inits = sorted({contestant.magnitude_init for contestant in lines if contestant.learns_scores}) or [False]
    figure = Figure(figsize=(3 + 5 * len(inits), 5.2), layout="constrained")
    panels = figure.subplots(ncols=len(inits), sharey=True, squeeze=False)
    for axes, magnitude_init in zip(panels[0], inits, strict=True):
        draw_panel(axes, of_init(lines, magnitude_init), _scale(metric, task))
        axes.set(xlabel="remaining weights (%)", title=INITS[magnitude_init])
        if log_axis:
            set_log_axis(axes)
    panels[0, 0].set_ylabel(metric if metric in NOT_SHARES else f"{metric} (%)")
    figure.suptitle(f"{points.iloc[0]['task']}, {points.iloc[0]['model']}")
    draw_legend(figure)
    return figure


def draw_legend(figure: Figure) -> None:
    """Each line of the figure's panels once, beside them."""
    handles = {}
    for axes in figure.axes:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="outside right upper", frameon=False)


def set_log_axis(axes: Axes) -> None:
    """Remaining weights on a logarithmic axis: 1, 3, 10, 30, 100, since numbers at every tick run into each other."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def of_init(lines: dict[Contestant, pd.DataFrame], magnitude_init: bool) -> dict[Contestant, pd.DataFrame]:
    """The lines whose scores start there, and those that have no scores."""
    return {
        contestant: line
        for contestant, line in lines.items()
        if contestant.magnitude_init == magnitude_init or not contestant.learns_scores
    }


def draw_panel(axes: Axes, lines: dict[Contestant, pd.DataFrame], scale: int) -> None:
    """The lines of one init, the dense model and the majority class."""
    for contestant, line in lines.items():
        if not contestant.method.prunes:
            mean = scale * line["mean"].iloc[0]
            axes.axhline(mean, color=contestant.line.colour, linewidth=1.2, label=contestant.line.title)
            continue
        title = label(replace(contestant, magnitude_init=False))
        style = "-." if contestant.lkd else "--" if contestant.kd else "-"
        draw_line(axes, contestant, line, scale, title, style)
    majority = next(iter(lines.values()))["majority"].iloc[0]
    if pd.notna(majority):
        axes.axhline(scale * majority, color="grey", linestyle=":", label="majority class")
    axes.grid(alpha=0.3)


def draw_line(
    axes: Axes, contestant: Contestant, line: pd.DataFrame, scale: int, title: str, style: str, hollow: bool = False
) -> None:
    """The means of one contestant over its densities, with bars where there are several seeds."""
    axes.errorbar(
        100 * line["density"],
        scale * line["mean"],
        yerr=scale * line["deviation"],
        color=contestant.line.colour,
        marker="D" if contestant.lkd else "s" if contestant.kd else contestant.method.marker,
        fillstyle="none" if hollow else "full",
        linestyle=style,
        capsize=4,
        label=title,
    )
