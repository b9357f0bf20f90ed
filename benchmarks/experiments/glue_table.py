"""One table of several tasks' comparisons, in Markdown: methods and densities by task, in percent, then in seconds.

DATA_DIR=glue bash benchmarks/experiments/glue_table.sh     # makes the runs, see there
python -m benchmarks.experiments.glue_table comparisons
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from emmental.common.text import markdown
from emmental.launch.compare_report import collect
from emmental.recipes import table

METHODS = ("smp-l+magnitude_init", "smp-s+magnitude_init", "smp-s+kd+magnitude_init", "finetune")
DENSITIES = (0.5, 0.1)  # of the masks


def main() -> None:
    """Print both tables of all finished runs in the folder of comparisons."""
    folder = Path(sys.argv[1])
    metrics = {task: table.RECIPES[task].metric for task in table.RECIPES if (folder / task).is_dir()}
    runs = {task: runs_of(folder / task, metric) for task, metric in metrics.items()}
    head = ["", *(f"{task} ({metric})" for task, metric in metrics.items())]
    majority = [f"{100 * next(iter(runs[task].values()))['majority']:.1f}" for task in metrics]
    results = rows(runs, lambda task, run: f"{100 * run[metrics[task]]:.1f}")
    print(markdown([head, *results, ["majority class", *majority]]), end="\n\n")
    print(markdown([["", *runs], *rows(runs, lambda task, run: f"{run['seconds']:.0f} s")]))


def runs_of(folder: Path, metric: str) -> dict[str, pd.Series]:
    """One task's results by method and density; of several seeds the first."""
    found = {}
    for _, run in collect(folder, metric).iterrows():
        dense = pd.isna(run["density_asked"])
        if str(run["contestant"]) in METHODS and (dense or run["density_asked"] in DENSITIES):
            name = run["method"] + ("" if dense else f", {100 * run['density_asked']:g} %")
            found.setdefault(name, run)
    return found


def rows(runs: dict[str, dict[str, pd.Series]], shown: Callable[[str, pd.Series], str]) -> list[list[str]]:
    """A row per method and density, a column per task; shown(task, run) says what stands in it."""
    names = list(dict.fromkeys(name for results in runs.values() for name in results))
    return [
        [name, *(shown(task, results[name]) if name in results else "–" for task, results in runs.items())]
        for name in names
    ]


if __name__ == "__main__":
    main()
