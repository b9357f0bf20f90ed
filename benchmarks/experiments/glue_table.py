"""One table of several tasks' comparisons, in Markdown: methods and densities by task, in percent, then in seconds.

DATA_DIR=glue bash benchmarks/experiments/glue_table.sh     # makes the runs, see there
python -m benchmarks.experiments.glue_table comparisons
"""

import sys
from collections.abc import Callable
from pathlib import Path

from emmental.common.text import markdown
from emmental.launch.compare_report import after_last_step, collect, label
from emmental.recipes import table

METHODS = ("smp-l+magnitude_init", "smp-s+magnitude_init", "smp-s+kd+magnitude_init", "finetune")
DENSITIES = (0.5, 0.1, None)  # None: of the dense model


def main() -> None:
    """Print both tables of all finished runs in the folder of comparisons."""
    folder = Path(sys.argv[1])
    runs = {task: runs_of(folder / task) for task in table.RECIPES if (folder / task).is_dir()}
    metrics = {task: table.RECIPES[task].metric for task in runs}
    head = ["", *(f"{task} ({metric})" for task, metric in metrics.items())]
    majority = [f"{100 * runs[task]['fine-tuned'][f'majority_eval_{metric}']:.1f}" for task, metric in metrics.items()]
    results = rows(runs, lambda run: f"{100 * after_last_step(run, metrics[run['task']]):.1f}")
    print(markdown([head, *results, ["majority class", *majority]]), end="\n\n")
    print(markdown([["", *runs], *rows(runs, lambda run: f"{run['seconds']:.0f} s")]))


def runs_of(folder: Path) -> dict[str, dict]:
    """One task's results by method and density; of several seeds the first."""
    return {
        label(point.contestant) + (f", {100 * point.asked:g} %" if point.asked else ""): point.runs[0]
        for point in collect(folder)
        if str(point.contestant) in METHODS and point.asked in DENSITIES
    }


def rows(runs: dict[str, dict[str, dict]], shown: Callable[[dict], str]) -> list[list[str]]:
    """A row per method and density, a column per task."""
    names = list(dict.fromkeys(name for results in runs.values() for name in results))
    return [[name, *(shown(results[name]) if name in results else "–" for results in runs.values())] for name in names]


if __name__ == "__main__":
    main()
